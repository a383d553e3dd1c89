/** `shoal gc`: deletes what nothing refers to any more, and names the partial files that are left somewhere. */
import type { Command } from 'commander'
import { formatBytes } from '../../base/units.ts'
import type { GarbageItem, GcReport } from '../../node/api.ts'
import type { CommandContext, RunAction } from '../context.ts'
import { plural, printable } from '../render/text.ts'
import { openSession } from '../session.ts'

interface GcFlags {
  dryRun?: boolean
  deletePartials?: boolean
}

const WHAT: Record<GarbageItem['kind'], string> = {
  temporary: 'a temporary file that was to be deleted',
  partial: 'what an unfinished fetch left',
  cache: 'cached content of nothing that is held',
  journal: 'notes on hashing files that are gone',
  records: 'records of nothing that is held'
}

export function addGc(program: Command, run: RunAction): void {
  program
    .command('gc')
    .description('delete what nothing refers to any more; never your files, nor what is held')
    .option('--dry-run', 'only say what would be deleted')
    .option('--delete-partials', 'delete what unfinished fetches left that are forgotten, too')
    .action((flags: GcFlags) => run(context => gc(context, flags)))
}

async function gc(context: CommandContext, flags: GcFlags): Promise<undefined> {
  const { out, signal } = context
  const session = await openSession(context, { mode: 'offline', answers: true })
  try {
    const dryRun = flags.dryRun === true
    const report = await session.node.gc({ dryRun, deletePartials: flags.deletePartials === true, signal })
    for (const item of report.items) {
      out.event('garbage', item)
      if (!out.quiet) out.result(describeItem(item))
    }
    const { freed, garbage, kept } = report
    out.event('gc', { dryRun, items: report.items.length, freed, garbage, kept })
    if (!out.quiet) for (const line of describeReport(report)) out.result(line)
  } finally {
    await session.close()
  }
  return undefined
}

export function describeItem({ kind, path, size, fate, reason }: GarbageItem): string {
  const done = { deleted: 'deleted', garbage: 'would delete', kept: 'kept' }[fate]
  const why = reason === null ? '' : `; ${printable(reason)}`
  return `${done} ${printable(path)}: ${WHAT[kind]}, ${formatBytes(size)}${why}`
}

export function describeReport({ dryRun, items, freed, garbage, kept }: GcReport): string[] {
  const lines = [dryRun ? `${formatBytes(garbage)} would be freed` : `${formatBytes(freed)} freed`]
  const partials = items.filter(item => item.kind === 'partial' && item.fate === 'kept').length
  if (partials > 0) {
    lines.push(
      `${plural(partials, 'partial file')} kept, ${formatBytes(kept)}: shoal gc --delete-partials deletes those known to be its own`
    )
  }
  return lines
}
