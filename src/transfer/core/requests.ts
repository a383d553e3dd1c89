/**
 * Our requests and their fate. The picker says which block, the window how much; this keeps the books of both.
 *
 * Invariant: a session's requests are the blocks it is in the `asked` list of, and `inFlightBytes` is their sum.
 */
import { SECOND_MS } from '../../base/units.ts'
import { MAX_REQUEST_BYTES } from '../protocol/limits.ts'
import type { RejectCode } from '../protocol/messages.ts'
import type { Block } from './assembly.ts'
import type { Interest } from './interest.ts'
import type { Picker } from './picker.ts'
import type { OutRequest, Session } from './session.ts'
import type { SwarmContext } from './swarm-context.ts'
import type { SessionId } from './swarm-io.ts'

/** How long a peer that rejected a request is not asked again. */
const COOL_MS = SECOND_MS

export class Requests {
  readonly #context: SwarmContext
  readonly #picker: Picker
  readonly #interest: Interest

  constructor(context: SwarmContext, picker: Picker, interest: Interest) {
    this.#context = context
    this.#picker = picker
    this.#interest = interest
  }

  /** Asks the session for as much as its window holds. */
  pump(session: Session, now: number): void {
    if (this.#interest.paused || !session.greeted || session.lacked === 0 || now < session.coolUntil) return
    if (session.peerChoking && session.offered.size === 0) return
    const windowBytes = session.snubbed ? 1 : session.window.bytes
    while (session.inFlightBytes < windowBytes && session.requests.size < session.maxRequests) {
      if (session.inFlightBytes + MAX_REQUEST_BYTES > session.maxRequestBytes && session.inFlightBytes > 0) return
      const block = this.#picker.pick(session, now)
      if (block === undefined) return
      if (session.requests.size === 0) session.lastDownAt = now
      const id = session.nextRequestId
      session.nextRequestId = id >= 0xffff_ffff ? 1 : id + 1
      session.requests.set(id, { id, block })
      session.inFlightBytes += block.length
      this.#picker.asked(block, session.id)
      this.#context.emit({ type: 'request', session: session.id, id, offset: block.offset, length: block.length })
    }
  }

  pumpAll(now: number): void {
    if (this.#interest.paused) return
    for (const session of this.#context.sessions.values()) this.pump(session, now)
  }

  /** Every byte of the request is there. */
  completed(session: Session, id: number, now: number): void {
    const request = session.requests.get(id)
    if (request === undefined) return
    this.#remove(session, request)
    session.lastDownAt = now
    this.#unsnub(session)
    session.window.completed(request.block.length, now)
    const { others, whole } = this.#picker.given(request.block, session)
    for (const other of others) this.#cancelBlock(other, request.block)
    if (whole !== undefined) this.#context.emit({ type: 'verify', first: whole.first, count: whole.count })
    this.pump(session, now)
    if (session.requests.size === 0) session.window.idle()
  }

  rejected(session: Session, id: number, code: RejectCode, now: number): void {
    const request = session.requests.get(id)
    if (request === undefined) return
    this.#remove(session, request)
    const { block } = request
    const { first, count } = block.assembly
    if (code === 'notHeld') {
      // a piece of the run may have been withdrawn while the request was under way: then the others are still there
      if (session.have.hasRange(first, first + count)) this.#interest.withdrawn(session, first, first + count)
    } else {
      session.coolUntil = now + COOL_MS
      for (let piece = first; piece < first + count; piece++) session.offered.delete(piece)
    }
    this.#picker.released(block, session.id)
    this.pumpAll(now)
  }

  /** The session's requests are others' from here on; nothing is said to it. */
  release(session: Session): void {
    for (const request of session.requests.values()) this.#picker.released(request.block, session.id)
    session.requests.clear()
    session.inFlightBytes = 0
  }

  /** Withdraws every request of the session, on the wire too. */
  cancelAll(session: Session): void {
    for (const request of [...session.requests.values()]) {
      this.#remove(session, request)
      this.#picker.released(request.block, session.id)
      this.#context.emit({ type: 'cancelRequest', session: session.id, id: request.id })
    }
  }

  /** @param moved whether a byte of theirs arrived since the last tick @param heldBack whether we hold back requests */
  tick(session: Session, moved: boolean, heldBack: boolean, now: number): void {
    if (moved || heldBack) session.lastDownAt = now
    if (moved) this.#unsnub(session)
    if (session.requests.size === 0 || now - session.lastDownAt < this.#context.config.snubMs) return
    if (!session.snubbed) {
      session.snubbed = true
      this.#picker.snubChanged(session)
    }
    this.#giveUpSolo(session)
  }

  /** A piece that may come from one peer alone must not wait for one that is silent: nobody else could be asked. */
  #giveUpSolo(session: Session): void {
    for (const request of [...session.requests.values()]) {
      if (!request.block.assembly.solo) continue
      this.#remove(session, request)
      this.#picker.released(request.block, session.id)
      this.#picker.disown(session.id)
      this.#context.emit({ type: 'cancelRequest', session: session.id, id: request.id })
    }
  }

  #unsnub(session: Session): void {
    if (!session.snubbed) return
    session.snubbed = false
    this.#picker.snubChanged(session)
  }

  #remove(session: Session, request: OutRequest): void {
    session.requests.delete(request.id)
    session.inFlightBytes -= request.block.length
  }

  #cancelBlock(id: SessionId, block: Block): void {
    const session = this.#context.sessions.get(id)
    if (session === undefined) return
    for (const request of session.requests.values()) {
      if (request.block !== block) continue
      this.#remove(session, request)
      this.#context.emit({ type: 'cancelRequest', session: session.id, id: request.id })
      return
    }
  }
}
