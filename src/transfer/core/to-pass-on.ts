/**
 * How much a peer has to pass on: of each piece that it has or will have soon, its share of the copies that others still
 * lack. Who has little of that has an idle uplink soon, and makes the most of a rare piece.
 */
import type { Random } from '../../base/random.ts'
import type { Availability } from './availability.ts'
import type { PieceSet } from './piece-set.ts'

/** Pieces that are looked at; of more a stretch of so many stands for all, as this is asked before each batch. */
const LOOKED_AT = 1024

export interface Supply {
  readonly have: PieceSet
  /** Comes to it. */
  readonly off: PieceSet | undefined
  readonly rarity: Availability
  /** All of the swarm, to tell who lacks a piece. */
  readonly lanes: Iterable<{ readonly isSeeder: boolean }>
}

/** In pieces. @param from where the stretch begins, the same for all that are compared */
export function toPassOn({ have, off, rarity, lanes }: Supply, from: number): number {
  let leechers = 0
  for (const { isSeeder } of lanes) if (!isSeeder) leechers += 1
  let copies = 0
  for (let at = 0; at < Math.min(LOOKED_AT, have.length); at++) {
    const piece = (from + at) % have.length
    if (!have.has(piece) && off?.has(piece) !== true) continue
    const holders = Math.max(1, rarity.count(piece))
    copies += Math.max(0, leechers - holders) / holders
  }
  return copies
}

/** Where the stretch that is looked at begins. */
export function stretchOf(pieceCount: number, random: Random): number {
  return pieceCount <= LOOKED_AT ? 0 : random.below(pieceCount)
}
