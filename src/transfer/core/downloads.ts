/**
 * What we fetch, once the manifest is known: which sessions take part, what became of pieces, what the user wants of them.
 * The parts: Picker (which block next), Interest (of whom we want something), Requests (what is asked for).
 */
import { MIB, SECOND_MS } from '../../base/units.ts'
import type { PieceMap } from '../../content/piece-map.ts'
import { MAX_HAVE_RUNS } from '../protocol/limits.ts'
import { Blame } from './blame.ts'
import { BLOCK_BYTES } from './config.ts'
import { Interest } from './interest.ts'
import { Picker } from './picker.ts'
import { type PieceSet, toRuns } from './piece-set.ts'
import { RequestWindow } from './request-window.ts'
import { type RequestEvents, Requests } from './requests.ts'
import { MAX_OFFERED_TO_US, type Session } from './session.ts'
import type { SwarmContext } from './swarm-context.ts'
import type { Priorities } from './swarm-io.ts'

/** The floor of a request window: so much, or two pieces where that is less. */
const MAX_FLOOR_BYTES = 2 * MIB

/** On its way to us at most: so many pieces, and what comes in so long. More waits in the queue of our downlink. */
const FREE_PIECES = 4
/** Of a peer that has given nothing yet. */
const UNTRIED_PIECES = 2
/** What such a peer owes for longer than this is not counted as on its way: who gives nothing must not keep others off. */
const UNTRIED_COUNTS_MS = 150
const AHEAD_MS = 250

export interface DownloadsInit {
  readonly pieces: PieceMap
  /** Copied. */
  readonly have: PieceSet
  readonly paused: boolean
  readonly events: RequestEvents
}

export class Downloads {
  readonly picker: Picker
  readonly interest: Interest
  readonly requests: Requests
  readonly #context: SwarmContext
  readonly #pieces: PieceMap
  readonly #floorBytes: number
  readonly #largest: number
  readonly #blame = new Blame()
  #saidCompleted = false

  constructor(context: SwarmContext, init: DownloadsInit) {
    this.#context = context
    this.#pieces = init.pieces
    this.picker = new Picker(init.pieces, init.have, context.random)
    this.interest = new Interest(context, this.picker, init.paused)
    this.requests = new Requests(context, this.picker, this.interest, init.events)
    let largest = BLOCK_BYTES
    for (let piece = 0; piece < init.pieces.count; piece++) largest = Math.max(largest, init.pieces.wireSize(piece))
    this.#floorBytes = Math.min(MAX_FLOOR_BYTES, 2 * largest)
    this.#largest = largest
  }

  /** Whether there is something to fetch. */
  get isLeeching(): boolean {
    return !this.interest.paused && !this.picker.missing.isEmpty
  }

  // sessions

  /** The session said hello, and what it holds is known. */
  join(session: Session): void {
    session.window = new RequestWindow(
      this.#floorBytes,
      Math.max(Math.min(this.#context.config.maxWindowBytes, session.maxRequestBytes), 1)
    )
    this.picker.join(session)
    this.interest.recount(session)
  }

  /** The session is over, or says anew what it holds. Its requests are others' from here on. */
  leave(session: Session): void {
    this.requests.release(session)
    this.picker.leave(session)
  }

  /** They choke us: what they accepted stays, what they have not been asked for is free for others. */
  choked(session: Session): void {
    session.peerChoking = true
    this.picker.disown(session.id)
  }

  /** Pieces that they offer: what we have no use for is declined, so that they offer something else. */
  offered(session: Session, pieces: readonly number[], now: number): void {
    const isTardy = this.requests.isTardy(session, now)
    if (now >= session.coolUntil && !isTardy) {
      for (const piece of pieces) {
        const assembly = this.picker.assemblyOf(piece)
        const solo = this.picker.soloOf(piece)
        if (assembly !== undefined) this.requests.takeOver(assembly, session, now)
        else if (solo !== undefined) this.requests.takeOverSolo(solo, session, now)
      }
    }
    const open: number[] = []
    const useless: number[] = []
    const offering = new Set(pieces)
    for (const piece of pieces) (this.picker.isOpen(piece, session, now, offering) ? open : useless).push(piece)
    if (useless.length > 0) this.#context.send(session, { type: 'decline', pieces: useless, busy: false })
    for (const piece of useless) if (!this.picker.missing.has(piece)) session.noteDeclined(piece)
    if (open.length === 0) return
    const untried = !session.hasGiven && session.inFlightBytes >= UNTRIED_PIECES * this.#largest
    const isSlow = session.inFlightBytes > 0 && isTardy
    if (this.interest.paused || now < session.coolUntil || untried || isSlow || this.#isFull(now)) {
      this.#context.send(session, { type: 'decline', pieces: open, busy: true })
      return
    }
    const taken = session.hasGiven ? open : this.#firstOf(open, UNTRIED_PIECES * this.#largest - session.inFlightBytes)
    for (const piece of taken) session.noteOffered(piece)
    this.suggested(session, taken)
    if (taken.length === open.length) return
    this.#context.send(session, { type: 'decline', pieces: open.slice(taken.length), busy: true })
  }

  /** As many as fit, at least one. */
  #firstOf(pieces: readonly number[], bytes: number): readonly number[] {
    let count = 0
    let left = bytes
    while (count < pieces.length && left > 0) {
      left -= this.#pieces.wireSize(pieces[count] ?? 0)
      count += 1
    }
    return pieces.slice(0, count)
  }

  /** Whether more is on its way than we can take in soon: who sends it could send to others meanwhile. */
  #isFull(now: number): boolean {
    if (!this.#context.follows('busy')) return false
    let inFlight = 0
    let rate = 0
    for (const session of this.#context.sessions.values()) {
      // what is overdue does not fill our downlink
      const isDoubtful = !session.hasGiven && now - session.progressAt >= UNTRIED_COUNTS_MS
      if (!isDoubtful && !this.requests.isTardy(session, now)) inFlight += session.inFlightBytes
      rate += session.down.rate(now)
    }
    return inFlight >= FREE_PIECES * this.#largest + (rate * AHEAD_MS) / SECOND_MS
  }

  suggested(session: Session, pieces: readonly number[]): void {
    for (const piece of pieces) {
      if (session.offeredQueue.length < MAX_OFFERED_TO_US && this.picker.missing.has(piece)) {
        session.offeredQueue.push(piece)
      }
    }
  }

  // pieces

  /** Returns whether the piece is new to us. */
  verified(piece: number): boolean {
    const isNew = !this.picker.have.has(piece)
    if (this.picker.verified(piece)) this.interest.missingChanged(piece, -1)
    this.#checkCompleted()
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
    this.requests.pumpAll(now)
  }

  lost(pieces: readonly number[], now: number): void {
    for (const piece of pieces) {
      if (!this.picker.lost(piece)) continue
      this.#saidCompleted = false
      this.interest.missingChanged(piece, 1)
    }
    this.start(now)
  }

  // what the user wants

  setPaused(paused: boolean, now: number): void {
    if (this.interest.paused === paused) return
    this.interest.paused = paused
    for (const session of this.#context.sessions.values()) {
      if (paused) this.requests.cancelAll(session)
      this.interest.update(session)
    }
    this.start(now)
  }

  /** Asks for all that can be asked for. */
  start(now: number): void {
    this.#checkCompleted()
    if (this.interest.paused) return
    for (const piece of this.picker.takeEmpty()) this.#context.emit({ type: 'verify', first: piece, count: 1 })
    this.requests.pumpAll(now)
  }

  /** Ranges of the piece space. To be followed by `wantedChanged`. */
  setWanted({ ranges, waitedFor = 0, onlyThese }: Priorities): void {
    const pieceRanges: Array<{ first: number; end: number }> = []
    let waited = 0
    for (const [at, { offset, length }] of ranges.entries()) {
      const first = this.#pieces.pieceAt(Math.max(0, offset))
      const last = this.#pieces.pieceAt(Math.min(offset + length, this.#pieces.byteLength) - 1)
      if (first !== undefined && last !== undefined && first <= last) pieceRanges.push({ first, end: last + 1 })
      if (at < waitedFor) waited = pieceRanges.length
    }
    this.picker.prioritise(pieceRanges, onlyThese, waited)
  }

  wantedChanged(now: number): void {
    for (const session of this.#context.sessions.values()) {
      this.#wantAfterAll(session, now)
      this.interest.recount(session)
    }
    this.#saidCompleted = false
    this.start(now)
  }

  /** What a session was told that we have no use for, and now have: it took it for coming from elsewhere. */
  #wantAfterAll(session: Session, now: number): void {
    const wanted = [...session.declined].filter(piece => this.picker.isOpen(piece, session, now, session.declined))
    if (wanted.length === 0) return
    for (const piece of wanted) session.declined.delete(piece)
    this.#context.send(session, { type: 'lost', runs: toRuns(wanted.sort((a, b) => a - b)).slice(0, MAX_HAVE_RUNS) })
  }

  #checkCompleted(): void {
    if (!this.picker.missing.isEmpty) this.#saidCompleted = false
    else if (!this.#saidCompleted) {
      this.#saidCompleted = true
      this.#context.emit({ type: 'completed' })
    }
  }
}
