/**
 * A bounded number of equal buffers that are used again and again, made when first needed.
 * Invariant: at most `limit` buffers exist; nobody waits while one is free.
 */
export class BufferPool {
  readonly #bytes: number
  readonly #free: Buffer[] = []
  readonly #waiting: Array<(buffer: Buffer) => void> = []
  #room: number

  constructor(limit: number, bytes: number) {
    this.#room = limit
    this.#bytes = bytes
  }

  /** A buffer, as soon as there is one. Its content is whatever was there. Who holds one must not wait for another. */
  async take(): Promise<Buffer> {
    const free = this.#free.pop()
    if (free !== undefined) return free
    if (this.#room === 0) return new Promise(resolve => this.#waiting.push(resolve))
    this.#room -= 1
    return Buffer.allocUnsafeSlow(this.#bytes)
  }

  give(buffer: Buffer): void {
    const next = this.#waiting.shift()
    if (next === undefined) this.#free.push(buffer)
    else next(buffer)
  }
}
