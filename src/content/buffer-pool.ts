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

  /** A buffer if one is free now. Its content is whatever was there. */
  tryTake(): Buffer | undefined {
    const free = this.#free.pop()
    if (free !== undefined || this.#room === 0) return free
    this.#room -= 1
    return Buffer.allocUnsafeSlow(this.#bytes)
  }

  /** Waits for one. Who holds a buffer already must not wait for another: use tryTake. */
  take(): Promise<Buffer> {
    const buffer = this.tryTake()
    return buffer === undefined ? new Promise(resolve => this.#waiting.push(resolve)) : Promise.resolve(buffer)
  }

  give(buffer: Buffer): void {
    const next = this.#waiting.shift()
    if (next === undefined) this.#free.push(buffer)
    else next(buffer)
  }
}
