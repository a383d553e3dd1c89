/** Calls `onStall` once when nothing touched it for `timeoutMs`. Does not keep the process alive. */
import type { Clock } from '../base/clock.ts'

export class StallWatch {
  readonly #clock: Clock
  readonly #timeoutMs: number
  readonly #timer: NodeJS.Timeout
  #touchedAt: number

  constructor(clock: Clock, timeoutMs: number, onStall: () => void) {
    this.#clock = clock
    this.#timeoutMs = timeoutMs
    this.#touchedAt = clock.now()
    this.#timer = setInterval(
      () => {
        if (this.#clock.now() - this.#touchedAt < this.#timeoutMs) return
        this.stop()
        onStall()
      },
      Math.max(10, Math.min(500, timeoutMs / 4))
    )
  }

  touch(): void {
    this.#touchedAt = this.#clock.now()
  }

  stop(): void {
    clearInterval(this.#timer)
  }
}
