/**
 * A set of piece indexes in 32-bit words, for the questions of the picker: what do two sets have in common, where is the
 * next such piece. (Bitfield is the wire's form.) Invariant: `count` is the number of set bits; bits past `length` are
 * zero.
 */
import { Bitfield } from '../../content/bitfield.ts'

function popcount(word: number): number {
  let v = word - ((word >>> 1) & 0x5555_5555)
  v = (v & 0x3333_3333) + ((v >>> 2) & 0x3333_3333)
  return Math.imul((v + (v >>> 4)) & 0x0f0f_0f0f, 0x0101_0101) >>> 24
}

export class PieceSet {
  readonly length: number
  readonly #words: Uint32Array
  #count = 0

  constructor(length: number) {
    this.length = length
    this.#words = new Uint32Array((length + 31) >>> 5)
  }

  static full(length: number): PieceSet {
    const set = new PieceSet(length)
    set.addRange(0, length)
    return set
  }

  static fromBitfield(field: Bitfield): PieceSet {
    const set = new PieceSet(field.length)
    for (const index of field.ones()) set.add(index)
    return set
  }

  toBitfield(): Bitfield {
    const field = new Bitfield(this.length)
    for (const index of this.ones()) field.add(index)
    return field
  }

  get count(): number {
    return this.#count
  }

  get isEmpty(): boolean {
    return this.#count === 0
  }

  get isFull(): boolean {
    return this.#count === this.length
  }

  has(index: number): boolean {
    return index >= 0 && index < this.length && ((this.#words[index >>> 5] ?? 0) & (1 << (index & 31))) !== 0
  }

  /** Returns whether it was absent. */
  add(index: number): boolean {
    if (index < 0 || index >= this.length || this.has(index)) return false
    this.#words[index >>> 5] = (this.#words[index >>> 5] ?? 0) | (1 << (index & 31))
    this.#count += 1
    return true
  }

  /** Returns whether it was present. */
  delete(index: number): boolean {
    if (!this.has(index)) return false
    this.#words[index >>> 5] = (this.#words[index >>> 5] ?? 0) & ~(1 << (index & 31))
    this.#count -= 1
    return true
  }

  addRange(first: number, end: number): void {
    let at = first
    while (at < end) {
      if ((at & 31) === 0 && at + 32 <= Math.min(end, this.length)) {
        this.#count += 32 - popcount(this.#words[at >>> 5] ?? 0)
        this.#words[at >>> 5] = 0xffff_ffff
        at += 32
      } else {
        this.add(at)
        at += 1
      }
    }
  }

  clear(): void {
    this.#words.fill(0)
    this.#count = 0
  }

  /** Whether every index of [first, end) is in the set. True for an empty range. */
  hasRange(first: number, end: number): boolean {
    if (first < 0 || end > this.length) return first >= end
    for (let at = first; at < end; ) {
      if ((at & 31) === 0 && at + 32 <= end) {
        if (this.#words[at >>> 5] !== 0xffff_ffff) return false
        at += 32
      } else {
        if (!this.has(at)) return false
        at += 1
      }
    }
    return true
  }

  /** How many are in both. Sets of equal length. */
  countCommon(other: PieceSet): number {
    let count = 0
    for (let at = 0; at < this.#words.length; at++) {
      const word = (this.#words[at] ?? 0) & (other.#words[at] ?? 0)
      if (word !== 0) count += popcount(word)
    }
    return count
  }

  /** What is in one of both and not in the other. Sets of equal length. */
  differing(other: PieceSet): PieceSet {
    const set = new PieceSet(this.length)
    for (let at = 0; at < this.#words.length; at++) {
      const word = (this.#words[at] ?? 0) ^ (other.#words[at] ?? 0)
      set.#words[at] = word
      set.#count += popcount(word)
    }
    return set
  }

  /** The least index in both sets within [from, end), or -1. Sets of equal length. */
  nextCommon(other: PieceSet, from: number, end: number = this.length): number {
    if (from >= end) return -1
    const lastWord = (Math.min(end, this.length) - 1) >>> 5
    let at = from >>> 5
    let mask = 0xffff_ffff << (from & 31)
    for (; at <= lastWord; at++) {
      const word = (this.#words[at] ?? 0) & (other.#words[at] ?? 0) & mask
      mask = 0xffff_ffff
      if (word === 0) continue
      const index = at * 32 + 31 - Math.clz32(word & -word)
      return index < end ? index : -1
    }
    return -1
  }

  /** The least index of this set within [from, end) that is in neither of the others. Sets of equal length. */
  nextOutside(
    one: PieceSet,
    other: PieceSet,
    bounds: { from: number; end?: number; within: PieceSet | undefined }
  ): number {
    const { from, end = this.length, within } = bounds
    if (from >= end) return -1
    const lastWord = (Math.min(end, this.length) - 1) >>> 5
    let at = from >>> 5
    let mask = 0xffff_ffff << (from & 31)
    for (; at <= lastWord; at++) {
      let word = (this.#words[at] ?? 0) & mask
      mask = 0xffff_ffff
      if (word === 0) continue
      word &= ~(one.#words[at] ?? 0) & ~(other.#words[at] ?? 0)
      if (within !== undefined) word &= within.#words[at] ?? 0
      if (word === 0) continue
      const index = at * 32 + 31 - Math.clz32(word & -word)
      return index < end ? index : -1
    }
    return -1
  }

  *ones(): Generator<number> {
    for (let at = 0; at < this.#words.length; at++) {
      let word = this.#words[at] ?? 0
      while (word !== 0) {
        yield at * 32 + 31 - Math.clz32(word & -word)
        word &= word - 1
      }
    }
  }
}

/** Ascending indexes as runs. */
export function toRuns(indexes: Iterable<number>): Array<{ first: number; count: number }> {
  const runs: Array<{ first: number; count: number }> = []
  let last: { first: number; count: number } | undefined
  for (const index of indexes) {
    if (last !== undefined && index === last.first + last.count) last.count += 1
    else {
      last = { first: index, count: 1 }
      runs.push(last)
    }
  }
  return runs
}
