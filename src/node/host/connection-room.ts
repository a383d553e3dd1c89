/**
 * Room for newcomers where connections are limited in number. A connection on which nothing is under way is of no use to
 * either side; beyond a share of the limit those that came in and have no stream are ended, first of the host (and the
 * site) that has most. Whoever has something under way stays, unless its host or site has more than a quarter of all: a
 * question now and then costs nothing, and would keep every place for one hand.
 */
import type { Connection } from '@libp2p/interface'
import { ShoalError } from '../../base/errors.ts'
import { crowding, type Origin, originOf } from '../../base/remote-host.ts'
import { SWARM_PROTOCOL } from './swarm-dialer.ts'

/** Connections that are kept free for newcomers, of all. */
export const ROOM_SHARE = 1 / 16
/** What one host or site may have of all connections when there is no room. */
export const CROWD_SHARE = 1 / 4
/** What a connection has under way begins so long after it was opened. */
export const SETTLE_MS = 5_000

/** What is needed of a connection. */
export type Held = Pick<Connection, 'direction' | 'remoteAddr' | 'timeline' | 'abort'> & {
  readonly streams: ReadonlyArray<{ readonly protocol: string }>
}

/** @param wallNow ms since 1970, as libp2p's timelines are */
export function makeRoom(connections: readonly Held[], maxConnections: number, wallNow: number): void {
  const tooMany = connections.length - Math.floor(maxConnections * (1 - ROOM_SHARE))
  if (tooMany <= 0) return
  const held = connections.map(connection => ({ connection, origin: originOf(connection.remoteAddr.toString()) }))
  const crowdingOf = crowding(held.map(({ origin }) => origin))
  const isIdle = ({ direction, streams, timeline }: Held) =>
    direction === 'inbound' && streams.length === 0 && !isSettling(wallNow - timeline.open)
  const idle = held.filter(({ connection }) => isIdle(connection))
  idle.sort(
    (a, b) => crowdingOf(b.origin) - crowdingOf(a.origin) || a.connection.timeline.open - b.connection.timeline.open
  )
  const useless = idle.slice(0, tooMany)
  for (const { connection } of useless) {
    connection.abort(
      new ShoalError('ERR_UNREACHABLE', 'nothing is under way on this connection, and others want to come')
    )
  }
  const left = held.filter(one => !useless.includes(one))
  for (const connection of crowdOf(left, maxConnections * CROWD_SHARE).slice(0, tooMany - useless.length)) {
    connection.abort(new ShoalError('ERR_UNREACHABLE', 'its host has too many connections, and others want to come'))
  }
}

/** What was opened in the future was opened before the clock was set back: nobody knows how long ago. */
const isSettling = (ageMs: number) => ageMs >= 0 && ageMs < SETTLE_MS

interface Placed {
  readonly connection: Held
  readonly origin: Origin
}

/**
 * Those that came in and are beyond the share of their host or site: of whoever has most first, those without a swarm
 * session before those with one, the oldest first.
 */
function crowdOf(held: readonly Placed[], share: number): Held[] {
  const counts = new Map<string, number>()
  // of IPv4 both are the same
  const namesOf = ({ host, site }: Origin) => new Set([host, site])
  for (const { origin } of held) for (const name of namesOf(origin)) counts.set(name, (counts.get(name) ?? 0) + 1)
  const crowdingOf = crowding(held.map(({ origin }) => origin))
  const inTurn = held
    .filter(({ connection }) => connection.direction === 'inbound')
    .sort(
      (a, b) =>
        crowdingOf(b.origin) - crowdingOf(a.origin) ||
        sessions(a.connection) - sessions(b.connection) ||
        a.connection.timeline.open - b.connection.timeline.open
    )
  return inTurn.flatMap(({ connection, origin }) => {
    const names = [...namesOf(origin)]
    if (names.every(name => (counts.get(name) ?? 0) <= share)) return []
    for (const name of names) counts.set(name, (counts.get(name) ?? 0) - 1)
    return [connection]
  })
}

/** 1 for any number of them. */
function sessions({ streams }: Held): number {
  return streams.some(({ protocol }) => protocol === SWARM_PROTOCOL) ? 1 : 0
}
