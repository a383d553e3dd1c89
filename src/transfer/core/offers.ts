/**
 * As seeder: which pieces to offer to whom, so that each piece goes out once before any goes out twice. Each peer that may
 * ask is offered a slice of its own, in piece order, of the pieces that nobody was offered and no peer has; it is topped
 * up as the peer asks for them. What was offered to a peer that left, and did not go out, is offered to others.
 *
 * Invariant: a piece is on offer to at most one session at a time.
 */
import { MIB } from '../../base/units.ts'
import type { PieceMap } from '../../content/piece-map.ts'
import { MAX_OFFER_PIECES } from '../protocol/limits.ts'
import { PieceSet } from './piece-set.ts'
import type { SessionId } from './swarm-io.ts'

/** A peer is topped up to the second when it has less than the first on offer and not asked for. */
const LOW_BYTES = 4 * MIB
const HIGH_BYTES = 8 * MIB
/** Offers of a session that were asked for and count as permission still. */
const MAX_PERMITTED = 4 * MAX_OFFER_PIECES

interface Offered {
  /** Pieces that it may ask for, even while choked. */
  readonly permitted: Set<number>
  /** Those of them it has not asked for. */
  readonly waiting: Set<number>
  waitingBytes: number
}

export class Offers {
  readonly #pieces: PieceMap
  /** Offered to somebody, or out. */
  readonly #given: PieceSet
  readonly #sent: PieceSet
  readonly #bySession = new Map<SessionId, Offered>()
  #cursor = 0

  constructor(pieces: PieceMap) {
    this.#pieces = pieces
    this.#given = new PieceSet(pieces.count)
    this.#sent = new PieceSet(pieces.count)
  }

  /**
   * Pieces to offer the session now, possibly none.
   * @param peerHas what it holds
   * @param isOut whether some other leecher holds the piece
   */
  refill(session: SessionId, peerHas: PieceSet, isOut: (piece: number) => boolean): number[] {
    const offered = this.#bySession.get(session) ?? { permitted: new Set(), waiting: new Set(), waitingBytes: 0 }
    if (offered.waitingBytes >= LOW_BYTES || this.#cursor >= this.#pieces.count) return []
    const fresh: number[] = []
    let at = this.#cursor
    let gap = false
    for (; at < this.#pieces.count && offered.waitingBytes < HIGH_BYTES && fresh.length < MAX_OFFER_PIECES; at++) {
      if (this.#given.has(at)) continue
      if (isOut(at) || this.#pieces.wireSize(at) === 0) {
        this.#given.add(at)
        continue
      }
      if (peerHas.has(at)) {
        gap = true
        continue
      }
      this.#given.add(at)
      offered.permitted.add(at)
      offered.waiting.add(at)
      offered.waitingBytes += this.#pieces.wireSize(at)
      fresh.push(at)
    }
    if (!gap) this.#cursor = at
    if (fresh.length > 0) this.#bySession.set(session, offered)
    this.#forgetOld(offered)
    return fresh
  }

  permits(session: SessionId, first: number, end: number): boolean {
    const permitted = this.#bySession.get(session)?.permitted
    if (permitted === undefined) return false
    for (let piece = first; piece < end; piece++) if (!permitted.has(piece)) return false
    return true
  }

  /** The session asked for pieces [first, end), or has them. */
  asked(session: SessionId, first: number, end: number): void {
    const offered = this.#bySession.get(session)
    if (offered === undefined) return
    for (let piece = first; piece < end; piece++) {
      if (offered.waiting.delete(piece)) offered.waitingBytes -= this.#pieces.wireSize(piece)
    }
  }

  /** The end of the piece went out. */
  sent(piece: number): void {
    this.#sent.add(piece)
    this.#given.add(piece)
  }

  gone(session: SessionId): void {
    const offered = this.#bySession.get(session)
    this.#bySession.delete(session)
    for (const piece of offered?.permitted ?? []) {
      if (this.#sent.has(piece)) continue
      this.#given.delete(piece)
      this.#cursor = Math.min(this.#cursor, piece)
    }
  }

  #forgetOld(offered: Offered): void {
    for (const piece of offered.permitted) {
      if (offered.permitted.size <= MAX_PERMITTED) return
      if (!offered.waiting.has(piece)) offered.permitted.delete(piece)
    }
  }
}
