/**
 * What each session was told of the other peers, and what to tell it next: the full list after hello, then what changed,
 * every 5 s at most while one side has few peers, else every 60 s. An exchange without news goes out all the same once a
 * minute: it shows that the session lives.
 */
import { MINUTE_MS, SECOND_MS } from '../../base/units.ts'
import { MAX_PEX_PEERS } from '../protocol/limits.ts'
import type { Message, PexPeer } from '../protocol/messages.ts'
import type { SessionId } from './swarm-io.ts'

export const FEW_PEERS = 8
const EAGER_MS = 5 * SECOND_MS
const SETTLED_MS = MINUTE_MS
/** Peers that one session is believed to have at a time. */
const MAX_TOLD_BY = 200

interface Exchange {
  /** Peers that the session was told of, with whether they are seeders. */
  readonly told: Map<string, boolean>
  /** Peers that it says it has. */
  readonly theirs: Set<string>
  lastAt: number | undefined
}

export class Pex {
  readonly #exchanges = new Map<SessionId, Exchange>()

  joined(session: SessionId): void {
    this.#exchanges.set(session, { told: new Map(), theirs: new Set(), lastAt: undefined })
  }

  gone(session: SessionId): void {
    this.#exchanges.delete(session)
  }

  /** Returns the peers to be believed: those it may still tell of. */
  received(session: SessionId, message: Extract<Message, { type: 'pex' }>): readonly PexPeer[] {
    const exchange = this.#exchanges.get(session)
    if (exchange === undefined) return []
    for (const id of message.dropped) exchange.theirs.delete(id)
    return message.added.filter(peer => {
      if (!exchange.theirs.has(peer.id) && exchange.theirs.size >= MAX_TOLD_BY) return false
      exchange.theirs.add(peer.id)
      return true
    })
  }

  /** Whether it is time for an exchange with the session: only then is it worth making the list. */
  isDue(session: SessionId, connected: number, now: number): boolean {
    const exchange = this.#exchanges.get(session)
    if (exchange === undefined) return false
    const interval = Math.min(connected, exchange.theirs.size) < FEW_PEERS ? EAGER_MS : SETTLED_MS
    return exchange.lastAt === undefined || now - exchange.lastAt >= interval
  }

  /** The exchange that is due, or undefined. @param peers the others that are connected now */
  due(session: SessionId, peers: readonly PexPeer[], now: number): Message | undefined {
    const exchange = this.#exchanges.get(session)
    if (exchange === undefined) return undefined
    const { told, theirs, lastAt } = exchange
    const interval = Math.min(peers.length + 1, theirs.size) < FEW_PEERS ? EAGER_MS : SETTLED_MS
    if (lastAt !== undefined && now - lastAt < interval) return undefined
    const here = new Map(peers.map(peer => [peer.id, peer]))
    const dropped = [...told.keys()].filter(id => !here.has(id)).slice(0, MAX_PEX_PEERS)
    const room = MAX_PEX_PEERS - (told.size - dropped.length)
    let fresh = 0
    const added = peers
      .filter(peer => {
        if (told.has(peer.id)) return told.get(peer.id) !== peer.seeder
        fresh += 1
        return fresh <= room
      })
      .slice(0, MAX_PEX_PEERS)
    const news = added.length > 0 || dropped.length > 0
    if (lastAt !== undefined && !news && now - lastAt < SETTLED_MS) return undefined
    exchange.lastAt = now
    for (const id of dropped) told.delete(id)
    for (const peer of added) told.set(peer.id, peer.seeder)
    return { type: 'pex', added, dropped }
  }
}
