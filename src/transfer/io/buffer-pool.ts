/**
 * Reusable buffers for incoming blocks, so that a long transfer settles at a steady memory instead of leaving a trail of
 * garbage. A buffer has one owner at a time: who took it gives it back once, or lets the collector have it.
 */
export class BufferPool {
  readonly #size: number
  readonly #maxIdle: number
  readonly #make: (length: number) => Uint8Array
  readonly #idle: Uint8Array[] = []

  /**
   * @param size bytes of each pooled buffer
   * @param maxIdle buffers kept for reuse
   * @param make memory for those that are kept; default of this thread alone
   */
  constructor(size: number, maxIdle: number, make = (length: number): Uint8Array => new Uint8Array(length)) {
    this.#size = size
    this.#maxIdle = maxIdle
    this.#make = make
  }

  /** At least `length` bytes of unspecified content; longer than the pool's size comes fresh. */
  take(length: number): Uint8Array {
    if (length > this.#size) return new Uint8Array(length)
    // a small request must not pin a large buffer
    if (length <= this.#size / 4) return new Uint8Array(length)
    return this.#idle.pop() ?? this.#make(this.#size)
  }

  give(buffer: Uint8Array): void {
    if (buffer.byteLength === this.#size && this.#idle.length < this.#maxIdle) this.#idle.push(buffer)
  }
}
