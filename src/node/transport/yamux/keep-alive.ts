/** Pings of one connection: they keep routers on the way from forgetting it, and measure the round trip. */
export class KeepAlive {
  readonly #intervalMs: number
  readonly #ping: (id: number) => void
  #timer: NodeJS.Timeout | undefined
  #next = 0
  #sentAt = 0
  #isAnswered = true
  #roundTripMs: number | undefined

  /** @param intervalMs 0: never */
  constructor(intervalMs: number, ping: (id: number) => void) {
    this.#intervalMs = intervalMs
    this.#ping = ping
  }

  get roundTripMs(): number | undefined {
    return this.#roundTripMs
  }

  /** How long the answer to the last ping has been waited for; 0 when it came. */
  get unansweredMs(): number {
    return this.#isAnswered ? 0 : performance.now() - this.#sentAt
  }

  /** The first one at once. */
  start(): void {
    if (this.#intervalMs === 0) return
    this.#timer = setInterval(() => this.#send(), this.#intervalMs).unref()
    queueMicrotask(() => {
      if (this.#timer !== undefined) this.#send()
    })
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  /** False: nobody asked. */
  answered(id: number): boolean {
    if (this.#isAnswered || id !== this.#next) return false
    this.#isAnswered = true
    this.#next = (this.#next + 1) % 2 ** 32
    this.#roundTripMs = performance.now() - this.#sentAt
    return true
  }

  /** One at a time: a slow answer is waited for, and it is the transport's to find that none will come. */
  #send(): void {
    if (!this.#isAnswered) return
    this.#isAnswered = false
    this.#sentAt = performance.now()
    this.#ping(this.#next)
  }
}
