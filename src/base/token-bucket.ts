/**
 * A rate limit. Up to half of the burst stays in reserve, so that what comes late (a timer, a drain) finds the bucket
 * below its brim and loses nothing. What is taken may exceed what is there, so that one large take passes; the debt
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

  /**
   * Takes effect at once. When it is lowered, what was saved and what is owed stay the same time, so that the debt of
   * the old rate is no long silence at the new one; when it is raised, the same bytes. A limit where there was none begins
   * empty.
   */
  setRate(now: number, bytesPerSec: number | undefined, burstBytes?: number): void {
    this.#fill(now)
    const before = this.#bytesPerSec
    this.#bytesPerSec = bytesPerSec
    this.#burstBytes = burstBytes ?? defaultBurst(bytesPerSec)
    const scale = before === undefined || bytesPerSec === undefined ? 0 : Math.min(1, bytesPerSec / before)
    this.#tokens = Math.min(this.#tokens * scale, this.#burstBytes)
  }

  /** True: the bytes are taken. False: nothing happened, ask again at `availableAt`. */
  take(now: number, bytes: number): boolean {
    if (this.#bytesPerSec === undefined) return true
    if (!this.allows(now, bytes)) return false
    this.#tokens -= bytes
    return true
  }

  /** Whether `take(bytes)` would succeed now. */
  allows(now: number, bytes: number): boolean {
    if (this.#bytesPerSec === undefined) return true
    this.#fill(now)
    return this.#tokens >= this.#needed(bytes)
  }

  /** Takes the bytes whatever is there; they are paid for at what `availableAt` said before. */
  owe(now: number, bytes: number): void {
    if (this.#bytesPerSec === undefined) return
    this.#fill(now)
    this.#tokens -= bytes
  }

  /** Puts back what was taken and not used. What would be more than the burst is lost. */
  giveBack(now: number, bytes: number): void {
    if (this.#bytesPerSec === undefined) return
    this.#fill(now)
    this.#tokens = Math.min(this.#burstBytes, this.#tokens + bytes)
  }

  /** When `take(bytes)` will succeed if nobody else takes; `now` when it would at once. */
  availableAt(now: number, bytes: number): number {
    if (this.#bytesPerSec === undefined) return now
    this.#fill(now)
    const lacking = this.#needed(bytes) - this.#tokens
    return lacking <= 0 ? now : now + Math.ceil((lacking * 1000) / this.#bytesPerSec)
  }

  #needed(bytes: number): number {
    return Math.min(bytes, this.#burstBytes / 2)
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
