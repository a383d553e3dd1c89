/** Splits a byte stream at newlines; bounded, so that a peer that never ends its line cannot fill the memory. */

export class LineTooLong extends Error {
  constructor(maxBytes: number) {
    super(`a line is longer than ${maxBytes} bytes`)
    this.name = 'LineTooLong'
  }
}

const NEWLINE = 0x0a

/** Invariant: `#parts` holds the bytes of one unfinished line, `#bytes` of them, never more than the limit. */
export class LineDecoder {
  readonly #maxBytes: number
  #parts: Buffer[] = []
  #bytes = 0

  /** @param maxBytes of one line, the newline not counted */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /** The lines that end in this chunk, as they come. @throws LineTooLong, after which the decoder is useless */
  *push(chunk: Buffer): Generator<string> {
    let start = 0
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
      this.#add(chunk.subarray(start, end))
      const line = this.#parts.length === 1 ? this.#parts[0] : Buffer.concat(this.#parts)
      this.#parts = []
      this.#bytes = 0
      start = end + 1
      yield (line ?? Buffer.alloc(0)).toString('utf8')
    }
    if (start < chunk.length) this.#add(chunk.subarray(start))
  }

  #add(part: Buffer): void {
    if (this.#bytes + part.length > this.#maxBytes) throw new LineTooLong(this.#maxBytes)
    this.#parts.push(part)
    this.#bytes += part.length
  }
}
