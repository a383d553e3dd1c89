/**
 * The exchange of pieces, from when the manifest is known: what we fetch, what we give, and what we tell of what we hold.
 * Its sibling before that is the ManifestExchange.
 */
import type { Bitfield } from '../../content/bitfield.ts'
import type { PieceMap } from '../../content/piece-map.ts'
import { MAX_HAVE_RUNS, MAX_OFFER_PIECES } from '../protocol/limits.ts'
import type { Have } from '../protocol/messages.ts'
import type { Assembly } from './assembly.ts'
import { BLOCK_BYTES } from './config.ts'
import { Downloads } from './downloads.ts'
import { HaveAnnouncer } from './have-announcer.ts'
import { PieceSet, toRuns } from './piece-set.ts'
import { Serving } from './serving.ts'
import type { Session } from './session.ts'
import type { SwarmContext } from './swarm-context.ts'
import type { Priorities, SessionId } from './swarm-io.ts'
import { WantTeller } from './want-teller.ts'

export interface PieceExchangeInit {
  readonly pieces: PieceMap
  /** DAG nodes of the manifest. */
  readonly nodeCount: number
  /** Copied. */
  readonly have: Bitfield
  readonly paused: boolean
}

export class PieceExchange {
  readonly pieces: PieceMap
  readonly nodeCount: number
  readonly downloads: Downloads
  readonly serving: Serving
  readonly #context: SwarmContext
  /** What all are still to be told of. */
  readonly #haves = new HaveAnnouncer()
  /** Told to be on their way. */
  readonly #coming = new Set<number>()
  /** What those who gave are still to be told of. */
  readonly #receipts = new Map<SessionId, HaveAnnouncer>()
  readonly #wants: WantTeller

  constructor(context: SwarmContext, init: PieceExchangeInit) {
    this.#context = context
    this.pieces = init.pieces
    this.nodeCount = init.nodeCount
    this.downloads = new Downloads(context, {
      pieces: init.pieces,
      have: PieceSet.fromBitfield(init.have),
      paused: init.paused,
      events: {
        onNotHeld: (session, first, end) => this.withdrawn(session, first, end),
        onBegun: (session, pieces) => this.#begun(session, pieces),
        onTardy: (session, pieces) => this.#comesNot(pieces, session),
        onReleased: assembly => this.#released(assembly),
        onArriving: (session, piece, now) => this.#arriving(session, piece, now)
      }
    })
    this.serving = new Serving(context, init.pieces, this.downloads.picker)
    this.#wants = new WantTeller(context, this.downloads.picker)
  }

  /** What we hold, as a message tells it. */
  get have(): Have {
    const { have } = this.downloads.picker
    if (have.isEmpty && have.length > 0) return { kind: 'none' }
    return have.isFull ? { kind: 'all' } : { kind: 'bitfield', bytes: have.toBitfield().bytes }
  }

  // sessions

  /** The session said hello, and what it holds is known. */
  join(session: Session, now: number): void {
    this.downloads.join(session)
    this.serving.placer.join(session, now)
    this.#wants.join(session)
  }

  /** They have pieces [first, end) now. */
  gained(session: Session, first: number, end: number, now: number): void {
    this.serving.placer.gained(session, this.downloads.interest.gained(session, first, end), now)
  }

  /** They no longer have pieces [first, end). */
  withdrawn(session: Session, first: number, end: number): void {
    this.serving.placer.withdrawn(session, this.downloads.interest.withdrawn(session, first, end))
    this.serving.placer.promiseBroken(session, first, end)
  }

  /** The session takes no part until it joins anew: what we asked of it is withdrawn. */
  suspend(session: Session): void {
    this.downloads.requests.cancelAll(session)
    this.downloads.leave(session)
    this.serving.placer.leave(session)
  }

  /** The session is over. */
  gone(session: Session, now: number): void {
    if (session.greeted) this.downloads.leave(session)
    this.serving.gone(session, now)
    this.#receipts.delete(session.id)
    this.downloads.requests.pumpAll(now)
  }

  // pieces

  /** A piece matched its hash and was written. */
  verified(piece: number, now: number): void {
    if (this.pieces.index(piece) === undefined) return
    const givers = this.downloads.picker.giversOf(piece)
    this.#coming.delete(piece)
    const isNew = this.downloads.verified(piece)
    if (!isNew) return
    this.#wants.pieceChanged(piece, false)
    this.#wants.settle(now)
    this.#receipt(piece, givers)
    this.#haves.add(piece, this.pieces.wireSize(piece))
    if (this.#haves.isDue && !this.#context.config.places) this.announce()
    const isSmall = this.pieces.wireSize(piece) < BLOCK_BYTES
    this.serving.placer.held(piece, isSmall && this.downloads.picker.isVerifying, now)
  }

  /** A piece did not match its hash. */
  failed(piece: number, now: number): void {
    if (this.pieces.index(piece) === undefined) return
    this.serving.lost(piece)
    this.#comesNot([piece])
    this.downloads.failed(piece, now)
  }

  /** Pieces are there no longer, or could not be written. Returns whether we held one. */
  lost(all: readonly number[], now: number): boolean {
    const pieces = all.filter(piece => this.pieces.index(piece) !== undefined)
    const wereHeld = pieces.filter(piece => this.downloads.picker.have.has(piece))
    // before they were announced those that place may have been told already: who gave them was
    const untold = new Set(wereHeld.filter(piece => this.#haves.withdraw(piece)))
    for (const piece of pieces) {
      // one that could not be written may be on offer, as it was about to be held
      if (this.downloads.picker.have.has(piece) || this.serving.placer.offers(piece)) this.serving.lost(piece)
      this.#wants.pieceChanged(piece, true)
    }
    for (const receipts of this.#receipts.values()) for (const piece of wereHeld) receipts.withdraw(piece)
    for (const session of this.#context.sessions.values()) {
      const told = session.places ? wereHeld : wereHeld.filter(piece => !untold.has(piece))
      this.#sayLost(session, told)
    }
    this.#comesNot(pieces.filter(piece => !this.downloads.picker.have.has(piece)))
    this.downloads.lost(pieces, now)
    return wereHeld.length > 0
  }

  #sayLost(session: Session, pieces: readonly number[]): void {
    const runs = toRuns([...pieces].sort((a, b) => a - b))
    for (let at = 0; at < runs.length; at += MAX_HAVE_RUNS) {
      this.#context.send(session, { type: 'lost', runs: runs.slice(at, at + MAX_HAVE_RUNS) })
    }
  }

  /** Others need not offer us these. What we got meanwhile is told by the same message. */
  #begun(from: Session, pieces: readonly number[]): void {
    for (const piece of pieces) this.#coming.add(piece)
    const [first = { type: 'have', runs: [], coming: [] } as const, ...rest] = this.#haves.take()
    // one message for all that are told the same
    const withComing = { ...first, coming: pieces.slice(0, MAX_OFFER_PIECES) }
    for (const session of this.#context.sessions.values()) {
      const isTold = session !== from && this.#context.follows('coming') && session.places && session.greeted
      if (isTold) this.#context.send(session, withComing)
      else if (first.runs.length > 0) this.#context.send(session, first)
      for (const message of rest) this.#context.send(session, message)
    }
  }

  /** They do not come, after all: others may offer them again. */
  #released({ first, count }: Assembly): void {
    const pieces = Array.from({ length: count }, (_, at) => first + at)
    for (const piece of pieces) this.#notSoon(piece)
    if (this.#coming.size > 0) this.#comesNot(pieces)
  }

  /** Who gave it must hear of that too: it waits for news of its end. @param still it may come from there */
  #comesNot(pieces: readonly number[], still?: Session): void {
    const gone = pieces.filter(piece => this.#coming.delete(piece))
    if (gone.length === 0) return
    for (const session of this.#context.sessions.values()) {
      if (session.places && session !== still) this.#sayLost(session, gone)
    }
  }

  /** Its last block is on its way from nobody any more: what was offered of it early is taken back. */
  #notSoon(piece: number): void {
    if (this.downloads.picker.have.has(piece) || !this.serving.placer.offers(piece)) return
    this.serving.lost(piece)
  }

  /** What the local readers want. Those that place hear of it before they hear that we are interested, and offer. */
  prioritise(priorities: Priorities, now: number): void {
    this.downloads.setWanted(priorities)
    this.#wants.changed(priorities.onlyThese, now)
    this.downloads.wantedChanged(now)
  }

  tick(now: number): void {
    this.announce()
    this.downloads.interest.settle()
    this.#wants.settle(now)
  }

  #arriving(from: Session, piece: number, now: number): void {
    if (from.places) this.#context.send(from, { type: 'arriving', pieces: [piece] })
    if (this.#context.follows('soon')) this.serving.placer.soon(piece, now)
  }

  /** Who gave it waits to hear that it came: at once for a large piece, with its neighbours for a small one. */
  #receipt(piece: number, givers: readonly string[]): void {
    const { picker } = this.downloads
    for (const session of this.#context.sessions.values()) {
      if (!session.places || !givers.includes(session.peerId)) continue
      const receipts = this.#receipts.get(session.id) ?? new HaveAnnouncer()
      this.#receipts.set(session.id, receipts)
      receipts.add(piece, this.pieces.wireSize(piece))
      if (!receipts.isDue && picker.isVerifying) continue
      for (const message of receipts.take()) this.#context.send(session, message)
    }
  }

  /** Tells all of what we hold since the last time. */
  announce(): void {
    for (const receipts of this.#receipts.values()) receipts.take()
    for (const message of this.#haves.take()) {
      for (const session of this.#context.sessions.values()) this.#context.send(session, message)
    }
  }
}
