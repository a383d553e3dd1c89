/**
 * Decides when a request may leave: under the download limits, and while the disk keeps up. Those of a session pass in
 * order; sessions take turns at the limits. Holding back the request is what bounds memory, as nothing that was asked
 * for is ever paused on the wire.
 */
import type { RootLimiter } from './root-limiter.ts'

/** Bytes that may wait for the disk before requests are held back. */
export const MAX_UNWRITTEN_BYTES = 32 * 1024 * 1024

export interface Passage {
  readonly session: number
  readonly bytes: number
  readonly limiter: RootLimiter
}

interface Pending extends Passage {
  readonly send: () => void
}

interface Lane {
  readonly queue: Pending[]
  /** Set while the first of the queue waits for the limiter. */
  onReady: (() => void) | undefined
}

/** Invariant: a lane has a request; its first one waits for the limiter, or the disk is behind. */
export class DownloadGate {
  readonly #lanes = new Map<number, Lane>()
  /** The limiter let them go while the disk was behind. */
  #paid: Pending[] = []
  #unwrittenBytes = 0

  /** Calls `send` now or later, never after the returned function was called. */
  pass(passage: Passage, send: () => void): () => void {
    const pending = { ...passage, send }
    const lane = this.#lanes.get(passage.session) ?? { queue: [], onReady: undefined }
    this.#lanes.set(passage.session, lane)
    lane.queue.push(pending)
    this.#advance(lane, passage.session)
    return () => this.#callOff(pending)
  }

  /** The session is over: nothing of it is sent any more. */
  drop(session: number): void {
    for (const pending of [...this.#paid]) if (pending.session === session) this.#callOff(pending)
    const lane = this.#lanes.get(session)
    this.#lanes.delete(session)
    if (lane !== undefined) stopWaiting(lane)
  }

  /** Bytes handed to the disk. */
  writeBegan(bytes: number): void {
    this.#unwrittenBytes += bytes
  }

  writeEnded(bytes: number): void {
    this.#unwrittenBytes -= bytes
    if (this.#diskIsBehind) return
    const paid = this.#paid
    this.#paid = []
    for (const { send } of paid) send()
    for (const [session, lane] of [...this.#lanes]) this.#advance(lane, session)
  }

  get #diskIsBehind(): boolean {
    return this.#unwrittenBytes >= MAX_UNWRITTEN_BYTES
  }

  #advance(lane: Lane, session: number): void {
    while (lane.onReady === undefined && !this.#diskIsBehind) {
      const [head] = lane.queue
      if (head === undefined) {
        if (this.#lanes.get(session) === lane) this.#lanes.delete(session)
        return
      }
      lane.onReady = () => {
        lane.onReady = undefined
        lane.queue.shift()
        if (this.#diskIsBehind) this.#paid.push(head)
        else head.send()
        this.#advance(lane, session)
      }
      if (!head.limiter.take(session, head.bytes, lane.onReady)) return
      lane.onReady()
    }
  }

  #callOff(pending: Pending): void {
    const paidAt = this.#paid.indexOf(pending)
    if (paidAt >= 0) {
      this.#paid.splice(paidAt, 1)
      pending.limiter.giveBack(pending.bytes)
      return
    }
    const lane = this.#lanes.get(pending.session)
    const at = lane?.queue.indexOf(pending) ?? -1
    if (lane === undefined || at < 0) return
    if (at === 0) stopWaiting(lane)
    lane.queue.splice(at, 1)
    this.#advance(lane, pending.session)
  }
}

function stopWaiting(lane: Lane): void {
  const [head] = lane.queue
  if (head !== undefined && lane.onReady !== undefined) head.limiter.cancel(head.session, lane.onReady)
  lane.onReady = undefined
}
