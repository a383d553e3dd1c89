/**
 * A set of piece indexes, one bit each, most significant bit first within a byte (BEP 3).
 * Invariant: `count` equals the number of set bits, and bits at or past `length` are zero.
 */
const POPCOUNT = Uint8Array.from({ length: 256 }, (_, n) => {
  let bits = 0
  for (let v = n; v > 0; v >>= 1) bits += v & 1
  return bits
})

export class Bitfield {
  readonly length: number
  readonly #bytes: Uint8Array
  #count = 0

  constructor(length: number) {
    this.length = length
    this.#bytes = new Uint8Array(Math.ceil(length / 8))
  }

  /** Copies `bytes`. Undefined where their number is wrong or a spare bit is set. */
  static fromBytes(bytes: Uint8Array, length: number): Bitfield | undefined {
    if (bytes.byteLength !== Math.ceil(length / 8)) return undefined
    const spare = bytes.byteLength * 8 - length
    if (spare > 0 && ((bytes[bytes.byteLength - 1] ?? 0) & ((1 << spare) - 1)) !== 0) return undefined
    const field = new Bitfield(length)
    field.#bytes.set(bytes)
    for (const byte of bytes) field.#count += POPCOUNT[byte] ?? 0
    return field
  }

  static full(length: number): Bitfield {
    const field = new Bitfield(length)
    field.#bytes.fill(0xff)
    const spare = field.#bytes.byteLength * 8 - length
    if (spare > 0) field.#bytes[field.#bytes.byteLength - 1] = (0xff << spare) & 0xff
    field.#count = length
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

  /** False for any index out of range. */
  has(index: number): boolean {
    return index >= 0 && index < this.length && ((this.#bytes[index >> 3] ?? 0) & (0x80 >> (index & 7))) !== 0
  }

  /** Returns whether the bit was clear before. Out of range: false, nothing changes. */
  add(index: number): boolean {
    if (index < 0 || index >= this.length || this.has(index)) return false
    this.#bytes[index >> 3] = (this.#bytes[index >> 3] ?? 0) | (0x80 >> (index & 7))
    this.#count += 1
    return true
  }

  /** Returns whether the bit was set before. */
  delete(index: number): boolean {
    if (!this.has(index)) return false
    this.#bytes[index >> 3] = (this.#bytes[index >> 3] ?? 0) & ~(0x80 >> (index & 7))
    this.#count -= 1
    return true
  }

  clone(): Bitfield {
    const copy = new Bitfield(this.length)
    copy.#bytes.set(this.#bytes)
    copy.#count = this.#count
    return copy
  }

  /** The bytes themselves, not a copy: do not write to them. */
  get bytes(): Uint8Array {
    return this.#bytes
  }

  /** Set indexes in ascending order. */
  *ones(): Generator<number> {
    for (let at = 0; at < this.#bytes.byteLength; at++) {
      const byte = this.#bytes[at] ?? 0
      if (byte === 0) continue
      for (let bit = 0; bit < 8; bit++) if ((byte & (0x80 >> bit)) !== 0) yield at * 8 + bit
    }
  }

  /** Whether `other` has a bit that this one lacks. Both of the same length. */
  lacksAnyOf(other: Bitfield): boolean {
    for (let at = 0; at < this.#bytes.byteLength; at++) {
      if (((other.#bytes[at] ?? 0) & ~(this.#bytes[at] ?? 0)) !== 0) return true
    }
    return false
  }
}
