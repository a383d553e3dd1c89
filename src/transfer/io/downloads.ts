/** Requests on their way out and their data on the way in, for one root: the gate, the buffers, what is unexpected. */
import { MIB } from '../../base/units.ts'
import type { BufferPool } from './buffer-pool.ts'
import type { DownloadGate } from './download-gate.ts'
import { IncomingBlocks } from './incoming-blocks.ts'
import type { PeerSession } from './peer-session.ts'
import type { RootLimiter } from './root-limiter.ts'

/** Data that nobody asked for which a session may send before it is ended; a cancel adds what may have crossed it. */
const MAX_UNEXPECTED_BYTES = MIB

export interface Request {
  readonly id: number
  /** Range of the piece space. */
  readonly offset: number
  readonly length: number
}

interface Lane {
  /** Requests that wait at the gate: id → the function that calls them off. */
  readonly gated: Map<number, () => void>
  unexpectedBudget: number
}

export class Downloads {
  readonly blocks: IncomingBlocks
  readonly #gate: DownloadGate
  readonly #limiter: RootLimiter
  readonly #lanes = new Map<number, Lane>()

  /** @param limiter the download limits that hold for the root */
  constructor(pool: BufferPool, gate: DownloadGate, limiter: RootLimiter) {
    this.blocks = new IncomingBlocks(pool)
    this.#gate = gate
    this.#limiter = limiter
  }

  /** Sends the request as soon as the gate lets it pass. */
  request(session: PeerSession, { id, offset, length }: Request): void {
    const lane = this.#laneOf(session)
    // asking again for what is complete means that the core gave it up, as its sender was banned
    this.blocks.discard(offset)
    let passed = false
    const passage = { session: session.id, bytes: length, limiter: this.#limiter }
    const callOff = this.#gate.pass(passage, () => {
      passed = true
      lane.gated.delete(id)
      this.blocks.expect(session.id, session.peerId, id, offset, length)
      session.sendMessage({ type: 'request', id, offset, length })
    })
    if (!passed) lane.gated.set(id, callOff)
  }

  cancel(session: PeerSession, id: number): void {
    const lane = this.#laneOf(session)
    const callOff = lane.gated.get(id)
    if (callOff !== undefined) {
      callOff()
      lane.gated.delete(id)
      return
    }
    lane.unexpectedBudget += this.blocks.forget(session.id, id)
    session.sendMessage({ type: 'cancel', id })
  }

  /**
   * The peer will not answer it: what it was to bring goes to others under the limit. Ends a session that rejects what it
   * cannot know of: the block is asked of others now, whose answer must not meet the one to this request.
   */
  rejected(session: PeerSession, id: number): void {
    const callOff = this.#lanes.get(session.id)?.gated.get(id)
    if (callOff !== undefined) {
      callOff()
      this.#laneOf(session).gated.delete(id)
      session.goodbye('protocol', `request ${id} was rejected before it was made`)
    }
    this.#limiter.giveBack(this.blocks.forget(session.id, id))
  }

  /** Returns whether the request is whole now. Ends a session that sends what it should not. */
  receive(session: PeerSession, id: number, chunk: Uint8Array): boolean {
    switch (this.blocks.receive(session.id, id, chunk)) {
      case 'more':
        return false
      case 'done':
        return true
      case 'unexpected': {
        const lane = this.#laneOf(session)
        lane.unexpectedBudget -= chunk.byteLength
        if (lane.unexpectedBudget < 0) session.goodbye('protocol', 'data that was not asked for')
        return false
      }
      case 'overrun':
        session.goodbye('protocol', 'more data than was asked for')
        return false
    }
  }

  /** Sessions with requests that wait at the gate. */
  heldBack(): number[] {
    return [...this.#lanes].flatMap(([session, lane]) => (lane.gated.size > 0 ? [session] : []))
  }

  forget(session: PeerSession): void {
    this.#gate.drop(session.id)
    this.#lanes.delete(session.id)
    this.#limiter.giveBack(this.blocks.forgetSession(session.id))
  }

  clear(): void {
    this.blocks.clear()
  }

  #laneOf(session: PeerSession): Lane {
    let lane = this.#lanes.get(session.id)
    if (lane === undefined) {
      lane = { gated: new Map(), unexpectedBudget: MAX_UNEXPECTED_BYTES }
      this.#lanes.set(session.id, lane)
    }
    return lane
  }
}
