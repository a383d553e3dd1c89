/** Small frames that wait for each other, to leave with one write at the end of the turn: each costs a cipher and a call. */

/** So many bytes wait at most. */
const MAX_BYTES = 16 * 1024

export class Gathered {
  readonly #write: () => void
  #chunks: Uint8Array[] = []
  #byteLength = 0
  #timer: NodeJS.Immediate | undefined

  /** @param write takes what is here, and writes it */
  constructor(write: () => void) {
    this.#write = write
  }

  get isEmpty(): boolean {
    return this.#byteLength === 0
  }

  add(chunks: readonly Uint8Array[], byteLength: number): void {
    this.#chunks.push(...chunks)
    this.#byteLength += byteLength
    if (this.#byteLength >= MAX_BYTES) this.flush()
    else this.#timer ??= setImmediate(() => this.flush())
  }

  flush(): void {
    clearImmediate(this.#timer)
    this.#timer = undefined
    if (!this.isEmpty) this.#write()
  }

  take(): Uint8Array[] {
    const chunks = this.#chunks
    this.#chunks = []
    this.#byteLength = 0
    return chunks
  }
}
