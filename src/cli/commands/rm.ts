/** `shoal rm CID`: stops sharing. The user's own files stay. */
import type { Command } from 'commander'
import type { CommandContext, RunAction } from '../context.ts'
import { printable } from '../render/text.ts'
import { openSession } from '../session.ts'

export function addRm(program: Command, run: RunAction): void {
  program
    .command('rm')
    .description('stop sharing; your files are never deleted')
    .argument('<cid>', 'its CID or link')
    .action((text: string) => run(context => rm(context, text)))
}

async function rm(context: CommandContext, text: string): Promise<undefined> {
  const { io, out, signal } = context
  const { cid } = await io.load.parseSource(text)
  const session = await openSession(context, { mode: 'offline' })
  try {
    const removed = await session.node.remove(cid, { signal })
    out.event('removed', { cid: removed.cid })
    out.result(out.quiet ? removed.cid : `stopped sharing ${removed.cid}; ${printable(removed.path)} is left as it is`)
  } finally {
    await session.close()
  }
  return undefined
}
