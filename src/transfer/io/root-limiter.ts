/**
 * The limits that hold for one root in one direction: its own, and that of the node. Who sends for it takes from here;
 * both must allow. Its sessions share evenly, by bytes.
 *
 * Invariant: a session is in `#flows` exactly while it has a waiter in `#lanes`.
 */
import type { Clock } from '../../base/clock.ts'
import { TokenBucket } from '../../base/token-bucket.ts'
import { FairQueue } from './fair-queue.ts'

/** Bytes to take. A function: as many as fit the limit, which may change while one waits. */
export type Amount = number | (() => number)

export interface Waiter {
  readonly session: number
  /** As things are now. */
  readonly bytes: number
  readonly onReady: (bytes: number) => void
}

/** What a root needs of its node's limiter. */
export interface NodeTurns {
  readonly clock: Clock
  readonly bytesPerSec: number | undefined
  /** The root has a waiter more. Returns whether that one was served at once, without its `onReady`. */
  waits(root: RootLimiter, waiter: Waiter): boolean
  /** Something changed: somebody may go now. */
  wake(): void
  /** The root has no waiters any more. */
  left(root: RootLimiter): void
  giveBack(bytes: number): void
}

export class RootLimiter {
  readonly #node: NodeTurns
  readonly #bucket: TokenBucket
  readonly #flows = new FairQueue<number>()
  readonly #lanes = new Map<number, Waiter[]>()

  /** @param bytesPerSec of this root alone; absent: no limit but the node's */
  constructor(node: NodeTurns, bytesPerSec?: number) {
    this.#node = node
    this.#bucket = new TokenBucket(node.clock.now(), bytesPerSec)
  }

  /** The root's own limit. */
  get own(): number | undefined {
    return this.#bucket.bytesPerSec
  }

  /** The lower one of the limits that hold; undefined: there is none. */
  get bytesPerSec(): number | undefined {
    const { own } = this
    const { bytesPerSec: nodes } = this.#node
    return own === undefined || nodes === undefined ? (own ?? nodes) : Math.min(own, nodes)
  }

  /** Takes effect at once, for those who wait too. Undefined: no limit but the node's. */
  setRate(bytesPerSec: number | undefined): void {
    if (bytesPerSec === this.own) return
    this.#bucket.setRate(this.#node.clock.now(), bytesPerSec)
    this.#node.wake()
  }

  /**
   * True: go on, the bytes are taken. False: `onReady` is called once, when it is this waiter's turn; the bytes that it
   * is told are taken by then. Those of one session are served in order.
   */
  take(session: number, amount: Amount, onReady: (bytes: number) => void): boolean {
    if (this.bytesPerSec === undefined) return true
    const waiter = {
      session,
      get bytes() {
        return typeof amount === 'number' ? amount : amount()
      },
      onReady
    }
    const lane = this.#lanes.get(session)
    if (lane === undefined) this.#lanes.set(session, [waiter])
    else lane.push(waiter)
    this.#flows.join(session)
    return this.#node.waits(this, waiter)
  }

  cancel(session: number, onReady: (bytes: number) => void): void {
    const lane = this.#lanes.get(session)
    const at = lane?.findIndex(waiter => waiter.onReady === onReady) ?? -1
    if (lane === undefined || at < 0) return
    lane.splice(at, 1)
    if (lane.length === 0) this.#leave(session)
    this.#node.wake()
  }

  /** Bytes that were taken and will never be used. */
  giveBack(bytes: number): void {
    this.#bucket.giveBack(this.#node.clock.now(), bytes)
    this.#node.giveBack(bytes)
  }

  /** The session is over: nobody of it is called any more. */
  drop(session: number): void {
    if (this.#lanes.has(session)) this.#leave(session)
    this.#flows.forget(session)
    this.#node.wake()
  }

  /** Nobody is called any more. */
  stop(): void {
    for (const session of [...this.#lanes.keys()]) this.#leave(session)
  }

  // for the node's limiter

  /** Sessions that wait: the root's share of the node's limit is in proportion. */
  get waiting(): number {
    return this.#flows.size
  }

  /** Whose turn it is here. */
  get head(): Waiter | undefined {
    const session = this.#flows.next()
    return session === undefined ? undefined : this.#lanes.get(session)?.[0]
  }

  /** Whether the root's own limit lets its head go. */
  allows(now: number): boolean {
    const { head } = this
    return head !== undefined && this.#bucket.allows(now, head.bytes)
  }

  availableAt(now: number): number {
    return this.#bucket.availableAt(now, this.head?.bytes ?? 0)
  }

  /** The head goes. */
  serve(session: number, bytes: number, now: number): void {
    const lane = this.#lanes.get(session)
    lane?.shift()
    this.#bucket.take(now, bytes)
    this.#flows.served(session, bytes)
    if (lane === undefined || lane.length === 0) this.#leave(session)
  }

  #leave(session: number): void {
    this.#lanes.delete(session)
    this.#flows.leave(session)
    if (this.#flows.size === 0) this.#node.left(this)
  }
}
