/**
 * Files that are open and not in use, of all roots together: how many may be open is the process's, not a root's, and a
 * file that was deleted keeps its room on the disk for as long as it is open.
 */
import { SECOND_MS } from '../../base/units.ts'

const MAX_IDLE = 256
/** A file is closed after once to twice this long without use. */
const SWEEP_MS = 15 * SECOND_MS

/** Invariant: holds at most `limit`, least recently used first; a timer runs while it holds any. */
export class IdleHandles {
  /** How each is closed, and whether the last sweep found it here already. */
  readonly #idle = new Map<() => void, boolean>()
  readonly #limit: number
  #timer: NodeJS.Timeout | undefined

  constructor(limit: number = MAX_IDLE) {
    this.#limit = limit
  }

  /** @param close is called once, unless it is taken before */
  put(close: () => void): void {
    this.#idle.set(close, false)
    const [oldest] = this.#idle.keys()
    if (this.#idle.size > this.#limit && oldest !== undefined) this.#close(oldest)
    this.#timer ??= setInterval(() => this.#sweep(), SWEEP_MS).unref()
  }

  take(close: () => void): void {
    this.#idle.delete(close)
    if (this.#idle.size > 0) return
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  #sweep(): void {
    for (const [close, isOld] of [...this.#idle]) {
      if (isOld) this.#close(close)
      else this.#idle.set(close, true)
    }
  }

  #close(close: () => void): void {
    this.take(close)
    close()
  }
}

/** Of this process. */
export const idleHandles = new IdleHandles()
