/**
 * Follows messages that each have their length before them, and multistream-select before these, which is of the same
 * kind. Who reads them for the DHT and for identify takes a length byte by byte for as long as it goes on, at some 7 µs
 * a byte: without end it is a core.
 */

/** Of an unsigned varint; messages are at most 4 MiB. */
const MAX_LENGTH_BYTES = 5

export class LengthGuard {
  readonly #onMessage: ((bytes: number) => void) | undefined
  #bodyLeft = 0
  #length = 0
  #lengthBytes = 0
  #isEndless = false
  #messageBytes = 0

  /** @param onMessage the end of one came, of so many bytes with its length */
  constructor(onMessage?: (bytes: number) => void) {
    this.#onMessage = onMessage
  }

  /** @returns false: a length that no message has came, now or before */
  take(chunk: Uint8Array): boolean {
    let at = 0
    while (at < chunk.byteLength && !this.#isEndless) {
      if (this.#bodyLeft > 0) {
        const skipped = Math.min(this.#bodyLeft, chunk.byteLength - at)
        this.#bodyLeft -= skipped
        at += skipped
        if (this.#bodyLeft === 0) this.#ended()
      } else {
        this.#takeLengthByte(chunk[at] ?? 0)
        at += 1
      }
    }
    return !this.#isEndless
  }

  #takeLengthByte(byte: number): void {
    this.#length += (byte & 0x7f) * 2 ** (7 * this.#lengthBytes)
    this.#lengthBytes += 1
    if (byte >= 0x80) {
      this.#isEndless = this.#lengthBytes >= MAX_LENGTH_BYTES
      return
    }
    this.#bodyLeft = this.#length
    this.#messageBytes = this.#lengthBytes + this.#length
    this.#length = 0
    this.#lengthBytes = 0
    if (this.#bodyLeft === 0) this.#ended()
  }

  #ended(): void {
    this.#onMessage?.(this.#messageBytes)
  }
}
