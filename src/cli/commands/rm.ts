/** `shoal rm CID`: stops sharing. The user's own files stay. */
import { sep } from 'node:path'
import type { Command } from 'commander'
import type { Removed } from '../../node/api.ts'
import { cacheFolder } from '../../node/storage/cache-folder.ts'
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
  const { io, out, signal, globals } = context
  const { cid } = await io.load.parseSource(text)
  const session = await openSession(context, { mode: 'offline' })
  try {
    const removed = await session.node.remove(cid, { signal })
    const { temp, left, adopted } = removed
    out.event('removed', { cid: removed.cid, ...(temp === null ? {} : { temp, left, ...(adopted && { adopted }) }) })
    out.result(out.quiet ? removed.cid : describeRemoved(removed, globals.dataDir))
  } finally {
    await session.close()
  }
  return undefined
}

function describeRemoved({ cid, path, temp, left, adopted }: Removed, dataDir: string): string {
  if (temp !== null && adopted === true) {
    return `stopped sharing ${cid}; ${printable(temp)} is left, as it was there before: another data folder may be fetching it`
  }
  if (temp !== null && left) {
    return `stopped sharing ${cid}; ${printable(temp)} could not be deleted: shoal gc tries again, and so does the next start`
  }
  if (temp !== null) return `stopped sharing ${cid}; what was fetched of it is deleted: ${printable(temp)}`
  const isCached = path.startsWith(cacheFolder(dataDir) + sep)
  return `stopped sharing ${cid}; ${printable(path)} is left as it is${isCached ? ': shoal gc deletes it' : ''}`
}
