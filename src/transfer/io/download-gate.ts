/**
 * Decides when a request may leave: under the download limit, and while the disk keeps up. Requests pass in order.
 * Holding back the request is what bounds memory, as nothing that was asked for is ever paused on the wire.
 */
import type { RateLimiter } from './rate-limiter.ts'

/** Bytes that may wait for the disk before requests are held back. */
export const MAX_UNWRITTEN_BYTES = 32 * 1024 * 1024

interface Pending {
  readonly bytes: number
  readonly send: () => void
  cancelled: boolean
}

export class DownloadGate {
  readonly #limiter: RateLimiter
  readonly #queue: Pending[] = []
  #unwrittenBytes = 0
  #waitingForTokens = false

  constructor(limiter: RateLimiter) {
    this.#limiter = limiter
  }

  /** Calls `send` now or later, never after the returned function was called. */
  pass(bytes: number, send: () => void): () => void {
    const pending = { bytes, send, cancelled: false }
    this.#queue.push(pending)
    this.#advance()
    return () => {
      pending.cancelled = true
    }
  }

  /** Bytes handed to the disk. */
  writeBegan(bytes: number): void {
    this.#unwrittenBytes += bytes
  }

  writeEnded(bytes: number): void {
    this.#unwrittenBytes -= bytes
    this.#advance()
  }

  #advance(): void {
    while (!this.#waitingForTokens && this.#unwrittenBytes < MAX_UNWRITTEN_BYTES) {
      const head = this.#queue[0]
      if (head === undefined) return
      if (head.cancelled) {
        this.#queue.shift()
        continue
      }
      const granted = this.#limiter.take(head.bytes, () => {
        this.#waitingForTokens = false
        if (this.#queue[0] === head) this.#queue.shift()
        if (!head.cancelled) head.send()
        this.#advance()
      })
      if (!granted) {
        this.#waitingForTokens = true
        return
      }
      this.#queue.shift()
      head.send()
    }
  }
}
