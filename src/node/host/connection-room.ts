/**
 * Room for newcomers where connections are limited in number. A connection on which nothing is under way is of no use to
 * either side; beyond a share of the limit those that came in and have no stream are ended, first of the host (and the
 * site) that has most. Whoever has something under way stays.
 */
import type { Connection } from '@libp2p/interface'
import { ShoalError } from '../../base/errors.ts'
import { crowding, originOf } from '../../base/remote-host.ts'

/** Connections that are kept free for newcomers, of all. */
export const ROOM_SHARE = 1 / 16
/** What a connection has under way begins so long after it was opened. */
export const SETTLE_MS = 5_000

/** What is needed of a connection. */
export type Held = Pick<Connection, 'direction' | 'remoteAddr' | 'streams' | 'timeline' | 'abort'>

/** @param wallNow ms since 1970, as libp2p's timelines are */
export function makeRoom(connections: readonly Held[], maxConnections: number, wallNow: number): void {
  const tooMany = connections.length - Math.floor(maxConnections * (1 - ROOM_SHARE))
  if (tooMany <= 0) return
  const held = connections.map(connection => ({ connection, origin: originOf(connection.remoteAddr.toString()) }))
  const crowdingOf = crowding(held.map(({ origin }) => origin))
  const isIdle = ({ direction, streams, timeline }: Held) =>
    direction === 'inbound' && streams.length === 0 && wallNow - timeline.open >= SETTLE_MS
  const idle = held.filter(({ connection }) => isIdle(connection))
  idle.sort(
    (a, b) => crowdingOf(b.origin) - crowdingOf(a.origin) || a.connection.timeline.open - b.connection.timeline.open
  )
  for (const { connection } of idle.slice(0, tooMany)) {
    connection.abort(
      new ShoalError('ERR_UNREACHABLE', 'nothing is under way on this connection, and others want to come')
    )
  }
}
