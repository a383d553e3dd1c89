/** `shoal verify CID`: hashes what is on disk again and says which pieces are bad. */
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
    const { pieces, bad } = await session.node.verify(cid, { signal, onProgress: meter.onProgress })
    meter.stop()
    out.event('verified', { cid, pieces, bad })
    for (const { piece, path, offset, reason } of bad.slice(0, MAX_LINES)) {
      out.result(`bad: piece ${piece} in ${printable(path)} at byte ${formatCount(offset)}: ${printable(reason)}`)
    }
    if (bad.length > MAX_LINES) out.result(`bad: ${plural(bad.length - MAX_LINES, 'more piece')}`)
    if (!out.quiet)
      out.result(`${cid}: ${plural(pieces, 'piece')}, ${bad.length === 0 ? 'all right' : `${bad.length} bad`}`)
    if (bad.length > 0)
      out.note('what is bad is served no more; shoal get --force with the same CID and place fetches it again')
    return bad.length === 0 ? DONE : BAD_DATA
  } finally {
    meter.stop()
    await session.close()
  }
}
