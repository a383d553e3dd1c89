/**
 * Who may ask. Every 10 s: as leecher the peers that give most, as seeder by turns, each with a quota; besides, one
 * optimistic slot that turns every 30 s, newcomers first, so that who has nothing to give yet gets a start. Free slots are
 * filled at once. Ranks immutable snapshots under a total order; whose turn it is lies in the snapshots, and only the
 * optimistic slot is remembered here.
 */
import { MIB, MINUTE_MS } from '../../base/units.ts'
import type { SessionId } from './swarm-io.ts'

/** As seeder: a peer that got so much, or had its turn for so long, makes room for one that waits. */
export const TURN_BYTES = 32 * MIB
export const TURN_MS = MINUTE_MS

export interface ChokerPeer {
  readonly session: SessionId
  readonly interested: boolean
  readonly unchoked: boolean
  readonly snubbed: boolean
  /** Bytes a second that the peer gives us. */
  readonly downRate: number
  /** Bytes that it got in this turn, and when the turn began. */
  readonly turnBytes: number
  readonly unchokedAt: number
  /** When its last turn ended; -1 when it had none. */
  readonly chokedAt: number
}

export interface ChokerSlots {
  readonly regular: number
  readonly optimistic: number
  readonly optimisticTurnMs: number
}

export class Choker {
  readonly #slots: ChokerSlots
  readonly #optimistic = new Map<SessionId, number>()

  constructor(slots: ChokerSlots) {
    this.#slots = slots
  }

  /** The round: the sessions that may ask from now on; all others may not. */
  decide(peers: readonly ChokerPeer[], seeding: boolean, now: number): Set<SessionId> {
    const interested = peers.filter(peer => peer.interested)
    const total = this.#slots.regular + this.#slots.optimistic
    if (interested.length <= total) return new Set(interested.map(peer => peer.session))
    const chosen = new Set(
      interested
        .sort(seeding ? (a, b) => byTurn(a, b, now) : byGift)
        .slice(0, this.#slots.regular)
        .map(peer => peer.session)
    )
    this.#turnOptimistic(interested, chosen, now)
    for (const session of this.#optimistic.keys()) chosen.add(session)
    // an optimistic peer that earned a regular slot leaves room
    for (const peer of interested.sort(byWait)) {
      if (chosen.size >= total) break
      if (!chosen.has(peer.session)) {
        chosen.add(peer.session)
        if (this.#optimistic.size < this.#slots.optimistic) this.#optimistic.set(peer.session, now)
      }
    }
    return chosen
  }

  /** Between rounds: whom to unchoke at once, because slots are free. */
  fill(peers: readonly ChokerPeer[]): SessionId[] {
    const taken = peers.filter(peer => peer.interested && peer.unchoked).length
    const free = this.#slots.regular + this.#slots.optimistic - taken
    if (free <= 0) return []
    return peers
      .filter(peer => peer.interested && !peer.unchoked)
      .sort(byWait)
      .slice(0, free)
      .map(peer => peer.session)
  }

  gone(session: SessionId): void {
    this.#optimistic.delete(session)
  }

  /** Those whose time is over leave, those that waited longest take their place. */
  #turnOptimistic(interested: readonly ChokerPeer[], chosen: ReadonlySet<SessionId>, now: number): void {
    const here = new Set(interested.map(peer => peer.session))
    for (const [session, since] of this.#optimistic) {
      if (!here.has(session) || chosen.has(session) || now - since >= this.#slots.optimisticTurnMs) {
        this.#optimistic.delete(session)
      }
    }
    for (const peer of [...interested].filter(({ session }) => !chosen.has(session)).sort(byWait)) {
      if (this.#optimistic.size >= this.#slots.optimistic) break
      if (!this.#optimistic.has(peer.session)) this.#optimistic.set(peer.session, now)
    }
  }
}

/** Most given first; who was snubbed last; then the longest wait. */
function byGift(a: ChokerPeer, b: ChokerPeer): number {
  return Number(a.snubbed) - Number(b.snubbed) || b.downRate - a.downRate || byWait(a, b)
}

/** Turns that are not over go on, oldest first; then the longest wait. */
function byTurn(a: ChokerPeer, b: ChokerPeer, now: number): number {
  const overA = !a.unchoked || turnIsOver(a, now)
  const overB = !b.unchoked || turnIsOver(b, now)
  if (overA !== overB) return overA ? 1 : -1
  if (!overA) return a.unchokedAt - b.unchokedAt || a.session - b.session
  return byWait(a, b)
}

function turnIsOver(peer: ChokerPeer, now: number): boolean {
  return peer.turnBytes >= TURN_BYTES || now - peer.unchokedAt >= TURN_MS
}

/** Never unchoked first, then the longest choked; those unchoked now come last. */
function byWait(a: ChokerPeer, b: ChokerPeer): number {
  return Number(a.unchoked) - Number(b.unchoked) || a.chokedAt - b.chokedAt || a.session - b.session
}
