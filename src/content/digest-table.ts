/**
 * Numbers digests in the order of their first appearance: a hash table over flat arrays, 41 to 82 bytes a digest.
 * Digests in links are bytes that a stranger may choose, so where a digest falls in the table depends on two random
 * numbers. The numbering does not.
 */
import { randomInt } from 'node:crypto'
import { DIGEST_BYTES } from './piece-map.ts'

const FIRST_CAPACITY = 16
const MAX_FACTOR = 0x7fff_ffff

export class DigestTable {
  readonly #factorA = randomInt(MAX_FACTOR) | 1
  readonly #factorB = randomInt(MAX_FACTOR) | 1
  #count = 0
  #digests = new Uint8Array(FIRST_CAPACITY * DIGEST_BYTES)
  #tags = new Uint8Array(FIRST_CAPACITY)
  /** Number + 1 of the digest in this slot; 0 is free. At least twice as many slots as digests. */
  #slots = new Int32Array(FIRST_CAPACITY * 2)

  get count(): number {
    return this.#count
  }

  /**
   * The number of the digest at `bytes[at …]`; a new one gets the number `count` had before the call. The same digest
   * under another `tag` (0 to 255) counts as another.
   */
  add(bytes: Uint8Array, at = 0, tag = 0): number {
    const slot = this.#slot(bytes, at, tag)
    const held = this.#slots[slot] ?? 0
    if (held !== 0) return held - 1
    const number = this.#count
    if (number === this.#tags.length) {
      this.#grow()
      return this.add(bytes, at, tag)
    }
    const digests = this.#digests
    const start = number * DIGEST_BYTES
    for (let i = 0; i < DIGEST_BYTES; i++) digests[start + i] = bytes[at + i] ?? 0
    this.#tags[number] = tag
    this.#slots[slot] = number + 1
    this.#count += 1
    return number
  }

  find(bytes: Uint8Array, at = 0, tag = 0): number | undefined {
    const held = this.#slots[this.#slot(bytes, at, tag)] ?? 0
    return held === 0 ? undefined : held - 1
  }

  /** A view of 32 bytes. */
  digest(number: number): Uint8Array {
    return this.#digests.subarray(number * DIGEST_BYTES, (number + 1) * DIGEST_BYTES)
  }

  /** A copy of all digests, in order of their numbers. */
  toBytes(): Uint8Array {
    return this.#digests.slice(0, this.#count * DIGEST_BYTES)
  }

  #slot(bytes: Uint8Array, at: number, tag: number): number {
    const factorA = this.#factorA
    const factorB = this.#factorB
    const slots = this.#slots
    let hash = tag
    for (let i = at; i < at + DIGEST_BYTES; i += 4) {
      const word =
        (bytes[i] ?? 0) | ((bytes[i + 1] ?? 0) << 8) | ((bytes[i + 2] ?? 0) << 16) | ((bytes[i + 3] ?? 0) << 24)
      hash = Math.imul((hash ^ (hash >>> 15)) + word, factorA) ^ factorB
    }
    const mask = slots.length - 1
    let slot = (hash ^ (hash >>> 15)) & mask
    for (;;) {
      const held = slots[slot] ?? 0
      if (held === 0 || this.#equals(held - 1, bytes, at, tag)) return slot
      slot = (slot + 1) & mask
    }
  }

  #equals(number: number, bytes: Uint8Array, at: number, tag: number): boolean {
    if (this.#tags[number] !== tag) return false
    const digests = this.#digests
    const start = number * DIGEST_BYTES
    for (let i = 0; i < DIGEST_BYTES; i++) if (digests[start + i] !== bytes[at + i]) return false
    return true
  }

  #grow(): void {
    const digests = new Uint8Array(this.#digests.byteLength * 2)
    digests.set(this.#digests)
    const tags = new Uint8Array(this.#tags.length * 2)
    tags.set(this.#tags)
    this.#digests = digests
    this.#tags = tags
    this.#slots = new Int32Array(this.#slots.length * 2)
    for (let i = 0; i < this.#count; i++) this.#slots[this.#slot(digests, i * DIGEST_BYTES, tags[i] ?? 0)] = i + 1
  }
}
