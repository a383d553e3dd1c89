/** Which connected peers let their connection's own ping go unanswered. */
import type { Connection, Libp2p, PeerId } from '@libp2p/interface'
import { SECOND_MS } from '../../base/units.ts'
import { YamuxMuxer } from '../transport/yamux/muxer.ts'

/** A link whose queues are full answers after a second or two. */
export const SILENT_MS = 10 * SECOND_MS

/** Those all of whose connections are silent. Of another muxer than ours nothing is known. */
export function silentPeers(libp2p: Pick<Libp2p, 'getConnections'>, silentMs = SILENT_MS): PeerId[] {
  const silent = new Map<string, PeerId>()
  const heard = new Set<string>()
  for (const connection of libp2p.getConnections()) {
    const id = connection.remotePeer.toString()
    if (unansweredMs(connection) >= silentMs) silent.set(id, connection.remotePeer)
    else heard.add(id)
  }
  return [...silent].flatMap(([id, peer]) => (heard.has(id) ? [] : [peer]))
}

function unansweredMs(connection: Connection): number {
  const { muxer } = connection as unknown as { muxer?: unknown }
  return muxer instanceof YamuxMuxer ? muxer.unansweredMs : 0
}
