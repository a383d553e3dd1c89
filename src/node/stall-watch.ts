/** Calls `onStall` once when it was active for `timeoutMs` and nothing touched it. */
import type { Clock } from '../base/clock.ts'

export class StallWatch {
  readonly #clock: Clock
  readonly #timeoutMs: number
  readonly #onStall: () => void
  #timer: NodeJS.Timeout | undefined
  #touchedAt: number

  /** Made asleep: see `setActive`. */
  constructor(clock: Clock, timeoutMs: number, onStall: () => void) {
    this.#clock = clock
    this.#timeoutMs = timeoutMs
    this.#onStall = onStall
    this.#touchedAt = clock.now()
  }

  /** Asleep, no time passes: for work of our own, which is not the peers' to speed up. */
  setActive(active: boolean): void {
    if (active === (this.#timer !== undefined)) return
    clearInterval(this.#timer)
    this.#timer = undefined
    if (!active) return
    this.touch()
    this.#timer = setInterval(
      () => {
        if (this.#clock.now() - this.#touchedAt < this.#timeoutMs) return
        this.setActive(false)
        this.#onStall()
      },
      Math.max(10, Math.min(500, this.#timeoutMs / 4))
    )
  }

  touch(): void {
    this.#touchedAt = this.#clock.now()
  }
}
