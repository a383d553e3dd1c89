import type { Clock } from './clock.ts'

/**
 * Wall-clock time that never goes back, for plans within one process. A clock that is set back (it was wrong, or is now)
 * must not put off for years what was due in hours; one that leaps ahead may have slept, which a monotonic clock does not
 * count: so of the two clocks the one that moved more since the last reading counts.
 */
export class ElapsedClock {
  readonly #clock: Clock
  #nowMs: number
  #monotonicMs: number
  #wallMs: number

  constructor(clock: Clock) {
    this.#clock = clock
    this.#monotonicMs = clock.now()
    this.#wallMs = clock.wallMs()
    this.#nowMs = this.#wallMs
  }

  /** Milliseconds since 1970 by the clock as it was at the beginning. */
  nowMs(): number {
    const monotonicMs = this.#clock.now()
    const wallMs = this.#clock.wallMs()
    this.#nowMs += Math.max(0, monotonicMs - this.#monotonicMs, wallMs - this.#wallMs)
    this.#monotonicMs = monotonicMs
    this.#wallMs = wallMs
    return this.#nowMs
  }

  /** A time of the wall clock, such as one read from a disk, on this clock. */
  fromWallMs(ms: number): number {
    return this.nowMs() + (ms - this.#wallMs)
  }
}
