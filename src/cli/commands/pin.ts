/** `shoal pin CID` and `shoal unpin CID`: whether the node may delete what it fetched when it needs room. */
import type { Command } from 'commander'
import type { CommandContext, RunAction } from '../context.ts'
import { openSession } from '../session.ts'

export function addPin(program: Command, run: RunAction): void {
  program
    .command('pin')
    .description('keep what was fetched, whatever the storage limit says; this is so unless it was unpinned')
    .argument('<cid>', 'its CID or link')
    .action((text: string) => run(context => setPinned(context, text, true)))
  program
    .command('unpin')
    .description('let the node delete its files when it needs room for another fetch')
    .argument('<cid>', 'its CID or link')
    .action((text: string) => run(context => setPinned(context, text, false)))
}

async function setPinned(context: CommandContext, text: string, wanted: boolean): Promise<undefined> {
  const { io, out, signal } = context
  const { cid: given } = await io.load.parseSource(text)
  const session = await openSession(context, { mode: 'offline' })
  try {
    const { cid, pinned } = await session.node.setPinned(given, wanted, { signal })
    out.event(pinned ? 'pinned' : 'unpinned', { cid })
    const meaning = pinned ? 'pinned: it is kept' : 'unpinned: its files may be deleted when room is needed'
    out.result(out.quiet ? cid : `${cid} is ${meaning}`)
  } finally {
    await session.close()
  }
  return undefined
}
