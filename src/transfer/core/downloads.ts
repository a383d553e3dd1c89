/**
 * What we ask for, once the manifest is known: interest, requests and their fate, what became of pieces. The picker says
 * which block, the window how much; this keeps the books of both.
 *
 * Invariant: a session's requests are the blocks it is in the `asked` list of, and `inFlightBytes` is their sum.
 */
import { MIB, SECOND_MS } from '../../base/units.ts'
import type { PieceMap } from '../../content/piece-map.ts'
import { MAX_REQUEST_BYTES } from '../protocol/limits.ts'
import type { RejectCode } from '../protocol/messages.ts'
import { Blame } from './blame.ts'
import { BLOCK_BYTES } from './config.ts'
import { Picker } from './picker.ts'
import type { PieceSet } from './piece-set.ts'
import { RequestWindow } from './request-window.ts'
import type { OutRequest, Session } from './session.ts'
import type { SwarmContext } from './swarm-context.ts'

/** The floor of a request window: so much, or two pieces where that is less. */
const MAX_FLOOR_BYTES = 2 * MIB
/** How long a peer that rejected a request is not asked again. */
const COOL_MS = SECOND_MS

export class Downloads {
  readonly picker: Picker
  readonly #context: SwarmContext
  readonly #pieces: PieceMap
  readonly #floorBytes: number
  readonly #blame = new Blame()
  #paused: boolean
  #saidCompleted = false

  /** @param have copied */
  constructor(context: SwarmContext, init: { pieces: PieceMap; have: PieceSet; paused: boolean }) {
    this.#context = context
    this.#pieces = init.pieces
    this.#paused = init.paused
    this.picker = new Picker(init.pieces, init.have, context.random)
    let largest = BLOCK_BYTES
    for (let piece = 0; piece < init.pieces.count; piece++) largest = Math.max(largest, init.pieces.wireSize(piece))
    this.#floorBytes = Math.min(MAX_FLOOR_BYTES, 2 * largest)
  }

  get isPaused(): boolean {
    return this.#paused
  }

  /** Whether there is something to fetch. */
  get isLeeching(): boolean {
    return !this.#paused && !this.picker.missing.isEmpty
  }

  // sessions

  /** The session said hello, and what it holds is known. */
  join(session: Session): void {
    session.window = new RequestWindow(
      this.#floorBytes,
      Math.max(Math.min(this.#context.config.maxWindowBytes, session.maxRequestBytes), 1)
    )
    this.picker.join(session)
    session.lacked = this.picker.missing.countCommon(session.have)
    this.#updateInterest(session)
  }

  /** The session is over, or says anew what it holds. Its requests are others' from here on. */
  leave(session: Session): void {
    for (const request of session.requests.values()) this.picker.released(request.block, session.id)
    session.requests.clear()
    session.inFlightBytes = 0
    this.picker.leave(session)
  }

  /** Withdraws every request of the session, on the wire too. */
  cancelAll(session: Session): void {
    for (const request of [...session.requests.values()]) {
      this.#remove(session, request)
      this.picker.released(request.block, session.id)
      this.#context.emit({ type: 'cancelRequest', session: session.id, id: request.id })
    }
  }

  /** They have pieces [first, end) now. */
  gained(session: Session, first: number, end: number): void {
    for (let piece = first; piece < end; piece++) {
      if (!session.have.add(piece)) continue
      this.picker.availability.increment(piece)
      if (this.picker.missing.has(piece)) session.lacked += 1
    }
    this.#updateInterest(session)
  }

  /** They no longer have pieces [first, end). */
  withdrawn(session: Session, first: number, end: number): void {
    if (session.countsAsSeeder) {
      session.countsAsSeeder = false
      for (const piece of session.have.ones()) this.picker.availability.increment(piece)
    }
    for (let piece = first; piece < end; piece++) {
      if (!session.have.delete(piece)) continue
      this.picker.availability.decrement(piece)
      if (this.picker.missing.has(piece)) session.lacked -= 1
    }
    this.#updateInterest(session)
  }

  /** They choke us: what they accepted stays, what they have not been asked for is free for others. */
  choked(session: Session): void {
    session.peerChoking = true
    this.picker.disown(session.id)
  }

  /** Pieces that they offer or suggest. */
  offered(session: Session, pieces: readonly number[], mayAskWhileChoked: boolean): void {
    for (const piece of pieces) {
      if (!this.picker.missing.has(piece)) continue
      if (mayAskWhileChoked) session.noteOffered(piece)
      if (session.offeredQueue.length < MAX_REQUEST_BYTES / 256) session.offeredQueue.push(piece)
    }
  }

  // requests

  pump(session: Session, now: number): void {
    if (this.#paused || !session.greeted || session.lacked === 0 || now < session.coolUntil) return
    if (session.peerChoking && session.offered.size === 0) return
    const windowBytes = session.snubbed ? 1 : session.window.bytes
    while (session.inFlightBytes < windowBytes && session.requests.size < session.maxRequests) {
      if (session.inFlightBytes + MAX_REQUEST_BYTES > session.maxRequestBytes && session.inFlightBytes > 0) return
      const block = this.picker.pick(session, now)
      if (block === undefined) return
      if (session.requests.size === 0) session.lastDownAt = now
      const id = session.nextRequestId
      session.nextRequestId = id >= 0xffff_ffff ? 1 : id + 1
      session.requests.set(id, { id, block })
      session.inFlightBytes += block.length
      this.picker.asked(block, session.id)
      this.#context.emit({ type: 'request', session: session.id, id, offset: block.offset, length: block.length })
    }
  }

  pumpAll(now: number): void {
    if (this.#paused) return
    for (const session of this.#context.sessions.values()) this.pump(session, now)
  }

  completed(session: Session, id: number, now: number): void {
    const request = session.requests.get(id)
    if (request === undefined) return
    this.#remove(session, request)
    session.lastDownAt = now
    this.#unsnub(session)
    session.window.completed(request.block.length, now)
    const { others, whole } = this.picker.given(request.block, session)
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
      if (session.have.hasRange(first, first + count)) this.withdrawn(session, first, first + count)
    } else {
      session.coolUntil = now + COOL_MS
      for (let piece = first; piece < first + count; piece++) session.offered.delete(piece)
    }
    this.picker.released(block, session.id)
    this.pumpAll(now)
  }

  // pieces

  /** Returns whether the piece is new to us. */
  verified(piece: number): boolean {
    const isNew = !this.picker.have.has(piece)
    if (this.picker.verified(piece)) {
      for (const session of this.#context.sessions.values()) {
        if (!session.have.has(piece)) continue
        session.lacked -= 1
        this.#updateInterest(session)
      }
    }
    this.checkCompleted()
    return isNew
  }

  failed(piece: number, now: number): void {
    const givers = this.picker.failed(piece)
    if (givers === undefined) return
    const verdict = this.#blame.failed(piece, givers)
    for (const peerId of verdict.ban) this.#context.ban(peerId, `piece ${piece} was false`)
    for (const peerId of verdict.disconnect) {
      for (const session of [...this.#context.sessions.values()]) {
        if (session.peerId === peerId) this.#context.end(session, 'badData', 'a part of several false pieces')
      }
    }
    this.pumpAll(now)
  }

  lost(piece: number, now: number): void {
    if (this.picker.lost(piece)) {
      this.#saidCompleted = false
      for (const session of this.#context.sessions.values()) {
        if (!session.have.has(piece)) continue
        session.lacked += 1
        this.#updateInterest(session)
      }
    }
    this.start(now)
  }

  // what the user wants

  setPaused(paused: boolean, now: number): void {
    if (this.#paused === paused) return
    this.#paused = paused
    for (const session of this.#context.sessions.values()) {
      if (paused) this.cancelAll(session)
      this.#updateInterest(session)
    }
    this.start(now)
  }

  /** Asks for all that can be asked for. */
  start(now: number): void {
    this.checkCompleted()
    if (this.#paused) return
    for (const piece of this.picker.takeEmpty()) this.#context.emit({ type: 'verify', first: piece, count: 1 })
    this.pumpAll(now)
  }

  /** Ranges of the piece space. */
  prioritise(ranges: ReadonlyArray<{ offset: number; length: number }>, onlyThese: boolean, now: number): void {
    const pieceRanges: Array<{ first: number; end: number }> = []
    for (const { offset, length } of ranges) {
      const first = this.#pieces.pieceAt(Math.max(0, offset))
      const last = this.#pieces.pieceAt(Math.min(offset + length, this.#pieces.byteLength) - 1)
      if (first !== undefined && last !== undefined && first <= last) pieceRanges.push({ first, end: last + 1 })
    }
    this.picker.prioritise(pieceRanges, onlyThese)
    for (const session of this.#context.sessions.values()) {
      session.lacked = session.greeted ? this.picker.missing.countCommon(session.have) : 0
      this.#updateInterest(session)
    }
    this.#saidCompleted = false
    this.start(now)
  }

  checkCompleted(): void {
    if (!this.picker.missing.isEmpty) this.#saidCompleted = false
    else if (!this.#saidCompleted) {
      this.#saidCompleted = true
      this.#context.emit({ type: 'completed' })
    }
  }

  // time

  /** @param moved whether a byte of theirs arrived since the last tick @param heldBack whether we hold back requests */
  tick(session: Session, moved: boolean, heldBack: boolean, now: number): void {
    if (moved || heldBack) session.lastDownAt = now
    if (moved) this.#unsnub(session)
    if (session.snubbed || session.requests.size === 0) return
    if (now - session.lastDownAt < this.#context.config.snubMs) return
    session.snubbed = true
    this.picker.snubChanged(session)
  }

  #unsnub(session: Session): void {
    if (!session.snubbed) return
    session.snubbed = false
    this.picker.snubChanged(session)
  }

  #remove(session: Session, request: OutRequest): void {
    session.requests.delete(request.id)
    session.inFlightBytes -= request.block.length
  }

  #cancelBlock(sessionId: number, block: OutRequest['block']): void {
    const session = this.#context.sessions.get(sessionId)
    if (session === undefined) return
    for (const request of session.requests.values()) {
      if (request.block !== block) continue
      this.#remove(session, request)
      this.#context.emit({ type: 'cancelRequest', session: session.id, id: request.id })
      return
    }
  }

  #updateInterest(session: Session): void {
    const interested = session.lacked > 0 && !this.#paused
    if (interested === session.amInterested || !session.greeted) return
    session.amInterested = interested
    this.#context.send(session, { type: interested ? 'interested' : 'notInterested' })
  }
}
