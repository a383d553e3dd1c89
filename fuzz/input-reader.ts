/** Reads an input as a sequence of choices: how byte mutations reach structures. Past the end every choice is 0. */
export class InputReader {
  readonly #bytes: Uint8Array
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  get isDone(): boolean {
    return this.#at >= this.#bytes.byteLength
  }

  byte(): number {
    return this.#bytes[this.#at++] ?? 0
  }

  u16(): number {
    return this.byte() * 256 + this.byte()
  }

  u32(): number {
    return this.u16() * 65_536 + this.u16()
  }

  /** 0 to bound - 1. */
  below(bound: number): number {
    return bound <= 256 ? this.byte() % bound : this.u32() % bound
  }

  pick<T>(list: readonly [T, ...T[]]): T {
    return list[this.below(list.length)] ?? list[0]
  }

  /** At most `max` bytes, as many as the next byte says. */
  bytes(max = 255): Uint8Array {
    const length = Math.min(this.byte(), max)
    const part = this.#bytes.subarray(this.#at, this.#at + length)
    this.#at += length
    return part
  }

  rest(): Uint8Array {
    const rest = this.#bytes.subarray(this.#at)
    this.#at = this.#bytes.byteLength
    return rest
  }
}
