/** Splits a byte stream at newlines; bounded, so that a peer that never ends its line cannot fill the memory. */

export class LineTooLong extends Error {
  constructor(maxBytes: number) {
    super(`a line is longer than ${maxBytes} bytes`)
    this.name = 'LineTooLong'
  }
}

const NEWLINE = 0x0a

const FIRST_BUFFER_BYTES = 1024

/**
 * Invariant: the first `#filled` bytes of `#buffer` are those of one unfinished line, never more than the limit. They
 * are copied together: parts kept as they came would cost a hundred times their size where they are single bytes.
 */
export class LineDecoder {
  readonly #maxBytes: number
  #buffer = Buffer.alloc(0)
  #filled = 0

  /** @param maxBytes of one line, the newline not counted */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /** The lines that end in this chunk, as they come. @throws LineTooLong, after which the decoder is useless */
  *push(chunk: Buffer): Generator<string> {
    let start = 0
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
      const part = chunk.subarray(start, end)
      start = end + 1
      yield this.#take(part)
    }
    if (start < chunk.length) this.#keep(chunk.subarray(start))
  }

  /** The line that ends with `part`. */
  #take(part: Buffer): string {
    if (this.#filled === 0) {
      this.#check(part.length)
      return part.toString('utf8')
    }
    this.#keep(part)
    const line = this.#buffer.toString('utf8', 0, this.#filled)
    this.#buffer = Buffer.alloc(0)
    this.#filled = 0
    return line
  }

  #keep(part: Buffer): void {
    const needed = this.#filled + part.length
    this.#check(needed)
    if (needed > this.#buffer.length) {
      const grown = Buffer.alloc(Math.max(needed, this.#buffer.length * 2, FIRST_BUFFER_BYTES))
      this.#buffer.copy(grown, 0, 0, this.#filled)
      this.#buffer = grown
    }
    part.copy(this.#buffer, this.#filled)
    this.#filled = needed
  }

  #check(bytes: number): void {
    if (bytes > this.#maxBytes) throw new LineTooLong(this.#maxBytes)
  }
}
