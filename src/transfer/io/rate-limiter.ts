/** A rate limit that many share in turn: a token bucket with a queue of those who wait. */
import type { Clock } from '../../base/clock.ts'
import { TokenBucket } from '../core/token-bucket.ts'

interface Waiter {
  readonly bytes: number
  readonly onReady: () => void
}

export class RateLimiter {
  readonly #clock: Clock
  readonly #bucket: TokenBucket
  #waiting: Waiter[] = []
  #timer: NodeJS.Timeout | undefined

  /** @param bytesPerSec absent: no limit */
  constructor(clock: Clock, bytesPerSec?: number) {
    this.#clock = clock
    this.#bucket = new TokenBucket(clock.now(), bytesPerSec)
  }

  get bytesPerSec(): number | undefined {
    return this.#bucket.bytesPerSec
  }

  /** Takes effect at once, for those who wait too. Undefined: no limit. */
  setRate(bytesPerSec: number | undefined): void {
    this.#bucket.setRate(this.#clock.now(), bytesPerSec)
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#serve()
  }

  /**
   * True: go on, the bytes are taken. False: `onReady` is called once, when it is this waiter's turn; its bytes are
   * taken by then.
   */
  take(bytes: number, onReady: () => void): boolean {
    if (this.#waiting.length === 0 && this.#bucket.take(this.#clock.now(), bytes)) return true
    this.#waiting.push({ bytes, onReady })
    this.#arm()
    return false
  }

  cancel(onReady: () => void): void {
    this.#waiting = this.#waiting.filter(waiter => waiter.onReady !== onReady)
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#waiting = []
  }

  #serve(): void {
    for (let head = this.#waiting[0]; head !== undefined; head = this.#waiting[0]) {
      if (!this.#bucket.take(this.#clock.now(), head.bytes)) break
      this.#waiting.shift()
      head.onReady()
    }
    this.#arm()
  }

  #arm(): void {
    const head = this.#waiting[0]
    if (this.#timer !== undefined || head === undefined) return
    const now = this.#clock.now()
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined
        this.#serve()
      },
      Math.max(1, this.#bucket.availableAt(now, head.bytes) - now)
    )
  }
}
