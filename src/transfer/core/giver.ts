/** A peer as the picker sees it, and what it may be asked for. */
import type { PieceSet } from './piece-set.ts'
import type { SessionId } from './swarm-io.ts'

export interface Giver {
  readonly id: SessionId
  readonly peerId: string
  readonly have: PieceSet
  /** Holds everything, and so is not counted in the availability. */
  readonly countsAsSeeder: boolean
  /** Gives only what it offered. */
  readonly peerChoking: boolean
  readonly snubbed: boolean
  /** Offers what it has to give: nothing new is asked of it unasked. */
  readonly places: boolean
  /** Pieces that it offered or suggested, in its order; the picker removes what it has no use for. */
  readonly offeredQueue: number[]
  /** Pieces that it offered. */
  readonly offered: ReadonlySet<number>
  /** Whether it would be asked for something more now: no pause after a failure, and not all hands full. */
  mayBeAsked(now: number): boolean
  /** Estimated time until it has given all that it was asked for, ms. */
  expectedMs(now: number): number
}

/** Who offers a piece has it, or will in a moment. */
export function mayGive(giver: Giver, piece: number): boolean {
  return (!giver.peerChoking && giver.have.has(piece)) || giver.offered.has(piece)
}

/** Whether it may give each piece of the run. */
export function mayGiveAll(giver: Giver, { first, count }: { first: number; count: number }): boolean {
  for (let piece = first; piece < first + count; piece++) if (!mayGive(giver, piece)) return false
  return true
}
