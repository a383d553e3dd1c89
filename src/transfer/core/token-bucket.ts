/**
 * A rate limit. What is taken may exceed what is there when the bucket is full, so that one large take passes; the debt
 * delays those after it. Invariant: tokens ≤ burst.
 */
export class TokenBucket {
  #bytesPerSec: number | undefined
  #burstBytes: number
  #tokens: number
  #filledAt: number

  /**
   * @param bytesPerSec undefined: no limit
   * @param burstBytes what may pass at once after a pause; default 250 ms of the rate
   */
  constructor(now: number, bytesPerSec?: number, burstBytes?: number) {
    this.#bytesPerSec = bytesPerSec
    this.#burstBytes = burstBytes ?? defaultBurst(bytesPerSec)
    this.#tokens = this.#burstBytes
    this.#filledAt = now
  }

  get bytesPerSec(): number | undefined {
    return this.#bytesPerSec
  }

  /** Takes effect at once. */
  setRate(now: number, bytesPerSec: number | undefined, burstBytes?: number): void {
    this.#fill(now)
    this.#bytesPerSec = bytesPerSec
    this.#burstBytes = burstBytes ?? defaultBurst(bytesPerSec)
    this.#tokens = Math.min(this.#tokens, this.#burstBytes)
  }

  /** True: the bytes are taken. False: nothing happened, ask again at `availableAt`. */
  take(now: number, bytes: number): boolean {
    if (this.#bytesPerSec === undefined) return true
    this.#fill(now)
    if (this.#tokens < Math.min(bytes, this.#burstBytes)) return false
    this.#tokens -= bytes
    return true
  }

  /** When `take(bytes)` will succeed if nobody else takes; `now` when it would at once. */
  availableAt(now: number, bytes: number): number {
    if (this.#bytesPerSec === undefined) return now
    this.#fill(now)
    const lacking = Math.min(bytes, this.#burstBytes) - this.#tokens
    return lacking <= 0 ? now : now + Math.ceil((lacking * 1000) / this.#bytesPerSec)
  }

  #fill(now: number): void {
    const elapsed = now - this.#filledAt
    if (elapsed <= 0) return
    this.#filledAt = now
    if (this.#bytesPerSec === undefined) return
    this.#tokens = Math.min(this.#burstBytes, this.#tokens + (elapsed * this.#bytesPerSec) / 1000)
  }
}

function defaultBurst(bytesPerSec: number | undefined): number {
  return Math.max(1, (bytesPerSec ?? 0) / 4)
}
