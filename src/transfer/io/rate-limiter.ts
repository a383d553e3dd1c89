/**
 * The limit of the whole node in one direction, and the order in which all that wait for it or for their root's limit
 * are served: the sessions of all roots share evenly, and a root whose own limit is used up is passed over.
 *
 * Invariant: a root is in `#roots` exactly while one of its sessions waits; while any does, the timer is set for when
 * the first of them may go, or earlier.
 */
import type { Clock } from '../../base/clock.ts'
import { TokenBucket } from '../../base/token-bucket.ts'
import { FairQueue } from './fair-queue.ts'
import { type NodeTurns, RootLimiter, type Waiter } from './root-limiter.ts'

/** The longest that a timer of Node can wait. */
const MAX_TIMER_MS = 2 ** 31 - 1

export class RateLimiter implements NodeTurns {
  readonly clock: Clock
  readonly #bucket: TokenBucket
  readonly #roots = new FairQueue<RootLimiter>()
  #serving = false
  #timer: { readonly at: number; readonly handle: NodeJS.Timeout } | undefined

  /** @param bytesPerSec absent: no limit */
  constructor(clock: Clock, bytesPerSec?: number) {
    this.clock = clock
    this.#bucket = new TokenBucket(clock.now(), bytesPerSec)
  }

  get bytesPerSec(): number | undefined {
    return this.#bucket.bytesPerSec
  }

  /** Takes effect at once, for those who wait too. Undefined: no limit. */
  setRate(bytesPerSec: number | undefined): void {
    if (bytesPerSec === this.bytesPerSec) return
    this.#bucket.setRate(this.clock.now(), bytesPerSec)
    this.wake()
  }

  /** For one more root. @param bytesPerSec its own limit; absent: none */
  root(bytesPerSec?: number): RootLimiter {
    return new RootLimiter(this, bytesPerSec)
  }

  /** Nobody is called any more. */
  stop(): void {
    this.#clearTimer()
    for (const root of [...this.#roots.keys]) root.stop()
  }

  // for the roots

  waits(root: RootLimiter, waiter: Waiter): boolean {
    this.#roots.join(root)
    return this.#serve(waiter)
  }

  wake(): void {
    if (this.#roots.size > 0) this.#serve()
  }

  left(root: RootLimiter): void {
    this.#roots.leave(root)
    if (this.#roots.size === 0) this.#clearTimer()
  }

  giveBack(bytes: number): void {
    this.#bucket.giveBack(this.clock.now(), bytes)
    this.wake()
  }

  /** Lets go whoever may. @param asking the one in whose `take` this happens; returns whether it is among them */
  #serve(asking?: Waiter): boolean {
    // who is called here often asks again at once: the loop below comes to that
    if (this.#serving) return false
    this.#serving = true
    let granted = false
    try {
      for (;;) {
        const now = this.clock.now()
        const root = this.#roots.next(candidate => candidate.allows(now))
        const head = root?.head
        if (root === undefined || head === undefined) break
        const { bytes } = head
        if (!this.#bucket.take(now, bytes)) break
        this.#roots.served(root, bytes, root.waiting)
        root.serve(head.session, bytes, now)
        if (head === asking) granted = true
        else head.onReady(bytes)
      }
    } finally {
      this.#serving = false
    }
    this.#arm()
    return granted
  }

  #arm(): void {
    const now = this.clock.now()
    let at = Number.POSITIVE_INFINITY
    for (const root of this.#roots.keys) {
      at = Math.min(at, Math.max(root.availableAt(now), this.#bucket.availableAt(now, root.head?.bytes ?? 0)))
    }
    if (at === Number.POSITIVE_INFINITY) {
      this.#clearTimer()
      return
    }
    if (this.#timer !== undefined && this.#timer.at <= at) return
    this.#clearTimer()
    const handle = setTimeout(
      () => {
        this.#timer = undefined
        this.#serve()
      },
      Math.min(MAX_TIMER_MS, Math.max(1, at - now))
    )
    this.#timer = { at, handle }
  }

  #clearTimer(): void {
    clearTimeout(this.#timer?.handle)
    this.#timer = undefined
  }
}
