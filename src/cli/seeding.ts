/** Stays and seeds until a signal, and says in one line how that goes. */
import { formatBytes, formatRate } from '../base/units.ts'
import type { NodeApi, NodeStatus, ShoalNode } from '../node/api.ts'
import type { CommandContext } from './context.ts'
import { DONE } from './exit-code.ts'
import { every } from './meters.ts'
import { plural, printable } from './render/text.ts'

const LIVE_MS = 1_000
const PLAIN_MS = 30_000

export async function seedUntilSignal(context: CommandContext, node: ShoalNode): Promise<void> {
  const { io, out, signal } = context
  io.interrupt.exitCode = DONE
  const stops = [tellChanged(context, node), tellEvicted(context, node)]
  out.note('seeding until stopped with Ctrl-C')
  let toldBytes = 0
  const stop = every(out.isLive ? LIVE_MS : PLAIN_MS, async () => {
    if (!out.isChatty) return
    const status = await node.status({ signal })
    if (signal.aborted) return
    if (out.isLive) out.live(describeSeeding(status))
    else if (status.sentBytes !== toldBytes) out.note(describeSeeding(status))
    toldBytes = status.sentBytes
  })
  await io.interrupt.fired()
  stop()
  for (const stopTelling of stops) stopTelling()
  out.live('')
  if (!out.isChatty) return
  const { sentBytes } = await node.status()
  out.note(`stopping; ${formatBytes(sentBytes)} sent`)
}

/** Warns of files that changed under the seeder: the sentence names the file and what that means. */
export function tellChanged({ out }: CommandContext, node: ShoalNode): () => void {
  return node.on('file:changed', ({ cid, path, reason }) => {
    out.event('changed', { cid, path, reason })
    out.warn(reason)
  })
}

/** Says what the node deletes to make room, what of it stays, and that there is no room to be made. */
export function tellEvicted({ out }: CommandContext, node: ShoalNode): () => void {
  const stops = [
    node.on('root:evicted', ({ cid, name, path, bytes, left }) => {
      out.event('evicted', { cid, path, bytes, left })
      out.note(`deleted ${printable(name)} to make room: ${formatBytes(bytes)}, ${printable(path)}`)
      for (const file of left) out.warn(`${printable(file)} was changed since it was fetched, and is left`)
    }),
    node.on('storage:exceeded', ({ message }) => {
      out.event('exceeded', { message })
      out.warn(message)
    })
  ]
  return () => {
    for (const stop of stops) stop()
  }
}

/** Prints when DHT nodes hold the record; a failure is told, an end by a signal is not. */
export function tellAnnounced({ out, signal }: CommandContext, node: NodeApi, cid: string, name: string): void {
  node.announced(cid, { signal }).then(
    nodes => {
      out.event('announced', { cid, nodes })
      out.note(`announced ${name} to ${plural(nodes, 'node')}`)
    },
    (err: unknown) => {
      if (!signal.aborted) out.warn(`${name} was not announced: ${err instanceof Error ? err.message : String(err)}`)
    }
  )
}

export function describeSeeding({ roots, connections, up, sentBytes }: NodeStatus): string {
  const rate = formatRate(up)
  return `seeding ${plural(roots.length, 'root')} to ${plural(connections, 'peer')}: ${rate}, ${formatBytes(sentBytes)} sent`
}
