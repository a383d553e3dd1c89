/** `shoal ls`: what is held. */
import type { Command } from 'commander'
import { formatBytes } from '../../base/units.ts'
import type { RootInfo } from '../../node/api.ts'
import type { CommandContext, RunAction } from '../context.ts'
import { type Column, renderTable } from '../render/table.ts'
import { percent } from '../render/text.ts'
import { openSession } from '../session.ts'

/** A CID is for copying, so it is never cut: where the table has no room for it, it has a line of its own. */
const MIN_COLUMNS_WITH_CID = 110

const COLUMNS: readonly Column<RootInfo>[] = [
  { title: 'NAME', value: root => root.name, gives: true },
  { title: 'SIZE', value: root => formatBytes(root.size), align: 'right' },
  { title: 'HAVE', value: root => percent(root.have, root.size), align: 'right' },
  { title: 'STATE', value: root => (root.pinned ? root.state : `${root.state}, unpinned`) }
]
const CID_COLUMN: Column<RootInfo> = { title: 'CID', value: root => root.cid }

export function addLs(program: Command, run: RunAction): void {
  program
    .command('ls')
    .description('list what is held')
    .action(() => run(ls))
}

async function ls(context: CommandContext): Promise<undefined> {
  const { out, signal } = context
  const session = await openSession(context, { mode: 'offline' })
  try {
    const roots = await session.node.list({ signal })
    for (const { cid, name, path, size, have, pieces, state, pinned, problem } of roots) {
      const why = problem === null ? {} : { problem }
      out.event('root', { cid, name, path, size, have, pieces, state, pinned, ...why })
    }
    if (roots.length === 0) out.note('nothing is held; shoal share PATH shares something')
    else for (const line of renderRoots(roots, out.tableColumns)) out.result(line)
    for (const { name, problem } of roots) if (problem !== null) out.warn(`${name}: ${problem}`)
  } finally {
    await session.close()
  }
  return undefined
}

export function renderRoots(roots: readonly RootInfo[], columns: number | undefined): string[] {
  if (columns === undefined || columns >= MIN_COLUMNS_WITH_CID) {
    return renderTable([...COLUMNS, CID_COLUMN], roots, columns)
  }
  const [titles = '', ...lines] = renderTable(COLUMNS, roots, columns)
  return [titles, ...lines.flatMap((line, i) => [line, `  ${roots[i]?.cid ?? ''}`])]
}
