/** `shoal verify CID`: hashes what is on disk again and says which pieces are bad, and what else is wrong. */
import type { Command } from 'commander'
import type { CommandContext, RunAction } from '../context.ts'
import { BAD_DATA, DONE } from '../exit-code.ts'
import { meterHashing } from '../meters.ts'
import { formatCount, plural, printable } from '../render/text.ts'
import { openSession } from '../session.ts'

const MAX_LINES = 100

export function addVerify(program: Command, run: RunAction): void {
  program
    .command('verify')
    .description('hash what is on disk again; says which pieces are bad')
    .argument('<cid>', 'its CID or link')
    .action((text: string) => run(context => verify(context, text)))
}

async function verify(context: CommandContext, text: string): Promise<number> {
  const { io, out, signal } = context
  const { cid } = await io.load.parseSource(text)
  const session = await openSession(context, { mode: 'offline', answers: true })
  const meter = meterHashing(out, 'verifying')
  try {
    // an older node that runs says nothing of the tree
    const { pieces, bad, wrong = [] } = await session.node.verify(cid, { signal, onProgress: meter.onProgress })
    meter.stop()
    out.event('verified', { cid, pieces, bad, wrong })
    for (const { piece, path, offset, reason } of bad.slice(0, MAX_LINES)) {
      out.result(`bad: piece ${piece} in ${printable(path)} at byte ${formatCount(offset)}: ${printable(reason)}`)
    }
    if (bad.length > MAX_LINES) out.result(`bad: ${plural(bad.length - MAX_LINES, 'more piece')}`)
    for (const { path, reason } of wrong.slice(0, MAX_LINES)) {
      out.result(`wrong: ${printable(path)} ${printable(reason)}`)
    }
    if (wrong.length > MAX_LINES) out.result(`wrong: ${plural(wrong.length - MAX_LINES, 'more name')}`)
    if (!out.quiet) out.result(`${cid}: ${plural(pieces, 'piece')}, ${describe(bad.length, wrong.length)}`)
    if (bad.length > 0)
      out.note('what is bad is served no more; shoal get --force with the same CID and place fetches it again')
    else if (wrong.length > 0)
      out.note('shoal get with the same CID and place makes again what was deleted; --force replaces what was changed')
    return bad.length === 0 && wrong.length === 0 ? DONE : BAD_DATA
  } finally {
    meter.stop()
    await session.close()
  }
}

function describe(bad: number, wrong: number): string {
  const found = [...(bad > 0 ? [`${bad} bad`] : []), ...(wrong > 0 ? [`${plural(wrong, 'name')} wrong`] : [])]
  return found.length === 0 ? 'all right' : found.join(', ')
}
