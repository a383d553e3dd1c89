/**
 * How many peers hold each piece, and the rarest first question: which of the pieces that may be picked, and that a given
 * peer holds, do the fewest peers hold?
 *
 * Peers that hold everything are not counted, as they change no order. For each number of holders there is the set of
 * *pickable* pieces with exactly that number; a have moves one bit from a set to the next. A pick looks at the sets from
 * the rarest up and ands each with the peer's, 32 pieces at a step, from a random place on, so that peers with the same
 * view do not all fetch the same piece.
 *
 * Invariant: a pickable piece is in the level of its count and in no other; a piece that is not pickable is in none.
 */
import type { Random } from '../../base/random.ts'
import { PieceSet } from './piece-set.ts'

/** Who may be given any piece that is in neither of two sets. */
export interface Lacking {
  readonly have: PieceSet
  readonly off: PieceSet
  /** Only pieces of this set. */
  readonly within: PieceSet | undefined
}

export class Availability {
  readonly #counts: Uint16Array
  readonly #pickable: PieceSet
  readonly #levels: PieceSet[] = []
  readonly #isCounting: boolean

  /** @param counts false: all pieces count as equally rare */
  constructor(pieceCount: number, counts = true) {
    this.#isCounting = counts
    this.#counts = new Uint16Array(pieceCount)
    this.#pickable = new PieceSet(pieceCount)
  }

  /** The pieces that may be picked. Do not change it. */
  get pickable(): PieceSet {
    return this.#pickable
  }

  /** Holders of the piece, those that hold everything not counted. */
  count(piece: number): number {
    return this.#counts[piece] ?? 0
  }

  increment(piece: number): void {
    this.#move(piece, 1)
  }

  decrement(piece: number): void {
    this.#move(piece, -1)
  }

  setPickable(piece: number, pickable: boolean): void {
    if (pickable) {
      if (this.#pickable.add(piece)) this.#level(this.count(piece)).add(piece)
    } else if (this.#pickable.delete(piece)) this.#level(this.count(piece)).delete(piece)
  }

  /** A pickable piece of `held` that the fewest hold, or -1. */
  rarest(held: PieceSet, random: Random): number {
    if (this.#pickable.isEmpty || held.isEmpty) return -1
    const start = random.below(this.#counts.length)
    for (const level of this.#levels) {
      if (level.isEmpty) continue
      const piece = nextAround(level, held, start)
      if (piece >= 0) return piece
    }
    return -1
  }

  /** Any pickable piece of `held`, or -1. */
  anyOf(held: PieceSet, random: Random): number {
    if (this.#pickable.isEmpty || held.isEmpty) return -1
    return nextAround(this.#pickable, held, random.below(this.#counts.length))
  }

  /**
   * The pickable piece that the fewest hold among those that somebody lacks, and the first of them who lacks it.
   * @param below only pieces with fewer holders
   */
  rarestLacked<T extends Lacking>(
    takers: readonly T[],
    random: Random,
    below = Number.POSITIVE_INFINITY
  ): { taker: T; piece: number } | undefined {
    if (this.#pickable.isEmpty || takers.length === 0) return undefined
    const start = random.below(this.#counts.length)
    for (const [count, level] of this.#levels.entries()) {
      if (count >= below) return undefined
      if (level.isEmpty) continue
      for (const taker of takers) {
        const { have, off, within } = taker
        const after = level.nextOutside(have, off, { from: start, within })
        const piece = after >= 0 ? after : level.nextOutside(have, off, { from: 0, end: start, within })
        if (piece >= 0) return { taker, piece }
      }
    }
    return undefined
  }

  #move(piece: number, by: 1 | -1): void {
    if (!this.#isCounting) return
    const before = this.count(piece)
    const after = before + by
    if (after < 0 || after > 0xffff || piece >= this.#counts.length) return
    this.#counts[piece] = after
    if (!this.#pickable.has(piece)) return
    this.#level(before).delete(piece)
    this.#level(after).add(piece)
  }

  #level(count: number): PieceSet {
    while (this.#levels.length <= count) this.#levels.push(new PieceSet(this.#counts.length))
    return this.#levels[count] ?? this.#pickable
  }
}

function nextAround(set: PieceSet, held: PieceSet, start: number): number {
  const after = set.nextCommon(held, start)
  return after >= 0 ? after : set.nextCommon(held, 0, start)
}
