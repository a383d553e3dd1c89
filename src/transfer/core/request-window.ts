/**
 * How much is asked for ahead from one peer, in bytes.
 *
 * The delay of the path cannot be seen from outside a queue, so the window finds what it needs by growing: it doubles with
 * each round while that brings more (slow start), then stays, and tries a quarter more from time to time. A window at
 * which doubling no longer helps holds at most twice the bandwidth-delay product. It stays between a floor (two pieces)
 * and the floor plus what the peer gives in 500 ms.
 */

/** A round lasts at least so long, and as long as a window takes. */
const MIN_ROUND_MS = 100
const MAX_AHEAD_MS = 500
const SLOW_START_GAIN = 1.25
const PROBE_GAIN = 1.05
const PROBE_EVERY_MS = 5000

export class RequestWindow {
  readonly #floorBytes: number
  readonly #capBytes: number
  #bytes: number
  #slowStart = true
  #bestRate = 0
  #roundBytes = 0
  #roundBeganAt: number | undefined
  #probedAt = 0

  constructor(floorBytes: number, capBytes: number) {
    this.#floorBytes = Math.min(floorBytes, capBytes)
    this.#capBytes = capBytes
    this.#bytes = this.#floorBytes
  }

  get bytes(): number {
    return this.#bytes
  }

  /** A request was completed. */
  completed(bytes: number, now: number): void {
    if (this.#roundBeganAt === undefined) {
      this.#roundBeganAt = now
      this.#roundBytes = 0
      return
    }
    this.#roundBytes += bytes
    const elapsed = now - this.#roundBeganAt
    if (elapsed < MIN_ROUND_MS || this.#roundBytes < this.#bytes) return
    this.#endRound((this.#roundBytes * 1000) / elapsed, now)
    this.#roundBeganAt = now
    this.#roundBytes = 0
  }

  /** Nothing is in flight: what comes next is no measure of the time before it. */
  idle(): void {
    this.#roundBeganAt = undefined
  }

  #endRound(rate: number, now: number): void {
    if (this.#slowStart) {
      if (rate > this.#bestRate * SLOW_START_GAIN) this.#bytes *= 2
      else this.#slowStart = false
      this.#probedAt = now
    } else if (rate > this.#bestRate * PROBE_GAIN || now - this.#probedAt >= PROBE_EVERY_MS) {
      this.#bytes *= 1.25
      this.#probedAt = now
    }
    this.#bestRate = Math.max(rate, this.#bestRate * 0.98)
    const most = Math.min(this.#capBytes, this.#floorBytes + (rate * MAX_AHEAD_MS) / 1000)
    this.#bytes = Math.floor(Math.max(this.#floorBytes, Math.min(this.#bytes, most)))
  }
}
