/**
 * Decides what our uplink carries: keeps as much placed as it takes, chooses among those who may be given something, and
 * hands over batch by batch. The parts: Placement (what is placed with whom, and the rarest that somebody lacks),
 * Outflow (one batch after the other), UplinkWindow (how much).
 *
 * Who is given something: as leecher first those who gave about as much as they got (tit-for-tat, pair by pair), with
 * some credit where pairs meet too rarely to repay; the others get what is left over. As seeder first those from whom
 * what they alone got has spread. Among equals chance decides, and of the first few who has least to pass on; under a
 * limit of our own who got least of it lately.
 */
import { SECOND_MS } from '../../base/units.ts'
import type { PieceMap } from '../../content/piece-map.ts'
import type { Run } from '../protocol/messages.ts'
import { type Batch, largestBatch } from './batch.ts'
import { isBeingSent, isDoubtful, isProbe } from './lapse.ts'
import { Outflow } from './outflow.ts'
import type { Picker } from './picker.ts'
import { PieceSet } from './piece-set.ts'
import { Placement } from './placement.ts'
import type { InRequest, Session } from './session.ts'
import type { SwarmContext } from './swarm-context.ts'
import type { SessionId } from './swarm-io.ts'
import { gotLately, orderTakers } from './taker-order.ts'
import { stretchOf } from './to-pass-on.ts'
import { UplinkWindow } from './uplink-window.ts'

/** As seeder: who did not pass on so many of the pieces that it alone got from us comes after the others. */
const MAX_UNSPREAD = 3
/** Beyond the window a piece is placed that is so many times as rare as all that wait. */
const RARER = 2
/** Under a limit of our own so much is placed at most, in time. */
const LIMITED_AHEAD_MS = 2 * SECOND_MS
/**
 * Peers that never answered an offer have something on offer, at a time. It does not take up the window, so that many
 * that never answer cost the others nothing.
 */
const MAX_PROBES = 8
/**
 * A peer that let something lapse is offered nothing for so long, twice as long each time, until something arrives. As it
 * gets nothing it would else be the neediest, and have all of the window.
 */
const LAPSED_MS = SECOND_MS
const MAX_LAPSE_DOUBLINGS = 8
/**
 * Bytes that a peer may get ahead of what it gave: this many batches times peers, over the batches of the root. A pair
 * that exchanges a piece or two has nothing to repay with; where pairs meet often there is no credit.
 */
const CREDIT = 4

export class Placer {
  readonly #context: SwarmContext
  readonly #pieces: PieceMap
  readonly #picker: Picker
  readonly #placement: Placement
  readonly #window: UplinkWindow
  readonly #outflow: Outflow
  /** Bytes of the largest batch. */
  readonly #unit: number
  #limit: number | undefined

  constructor(context: SwarmContext, pieces: PieceMap, picker: Picker) {
    this.#context = context
    this.#pieces = pieces
    this.#picker = picker
    this.#unit = largestBatch(pieces)
    this.#window = new UplinkWindow(this.#unit)
    this.#outflow = new Outflow(context.follows('turns') ? this.#window : undefined, batch => this.#start(batch))
    this.#placement = new Placement({
      pieces,
      held: picker.have,
      random: context.random,
      byRarity: context.follows('rarity'),
      onOver: batch => this.#over(batch),
      onLapsed: (session, now) => this.#lapsed(session, now),
      isSlow: (batch, now) => this.#isSlow(batch, now)
    })
  }

  // who is there, and what they hold

  /** The session takes part: what it holds is known. */
  join(session: Session, now: number): void {
    this.#placement.join(session)
    this.fill(now)
  }

  /** The session takes no part until it joins again. */
  leave(session: Session): void {
    this.#placement.leave(session)
  }

  /** They hold these pieces now. */
  gained(session: Session, pieces: readonly number[], now: number): void {
    const { placedBytes, startedBytes } = this.#placement.gained(session, pieces)
    if (placedBytes === 0) return
    if (startedBytes > 0) {
      this.#window.arrived(startedBytes, now)
      session.timesLapsed = 0
      session.hasTaken = true
      session.pause.took(this.#placement.placedWith(session.id), now)
    }
    this.#pump(now)
    this.fill(now)
  }

  /** They hold these pieces no longer. */
  withdrawn(session: Session, pieces: readonly number[]): void {
    this.#placement.withdrawn(session, pieces)
  }

  /** What they want first, in place of what they wanted before. */
  wanted(session: Session, wanted: { urgent: readonly Run[]; ahead: readonly Run[]; only: boolean }): void {
    const { urgent, ahead, only } = wanted
    const none = urgent.length === 0 && ahead.length === 0 && !only
    const setOf = (runs: readonly Run[]) => {
      const set = new PieceSet(this.#pieces.count)
      for (const { first, count } of runs) set.addRange(first, first + count)
      return set
    }
    this.#placement.wanted(session.id, none ? undefined : { urgent: setOf(urgent), ahead: setOf(ahead), only })
  }

  // what they answer

  /** Whether the session may ask for the range though it is choked: it was offered. */
  permits(session: Session, { offset, length }: InRequest): boolean {
    return this.#placement.permitsOf(session.id)?.allow(offset, offset + length) === true
  }

  /** Whether pieces [first, end) were offered to the session and are held here, or will be in a moment. */
  expects(session: Session, first: number, end: number): boolean {
    if (this.#placement.batchOf(session.id, first) === undefined) return false
    for (let piece = first; piece < end; piece++) if (!this.#placement.isOfferable(piece)) return false
    return true
  }

  /** Whether the piece may be offered: it is held, or will be in a moment. */
  offers(piece: number): boolean {
    return this.#placement.isOfferable(piece)
  }

  /** They ask for what was placed with them. Returns whether the request waits for its turn. */
  asked(
    session: Session,
    first: number,
    request: { id: number; offset: number; length: number },
    now: number
  ): boolean {
    this.#placement.permitsOf(session.id)?.use(request.offset, request.offset + request.length)
    const batch = this.#placement.batchOf(session.id, first)
    if (batch === undefined) return false
    if (!session.hasAnswered) {
      session.hasAnswered = true
      this.#placement.answered(session.id)
    }
    if (batch.startedAt !== undefined) {
      batch.sentAt = undefined
      return false
    }
    if (batch.askedAt === undefined) {
      this.#window.answered(now - batch.offeredAt, now)
      session.answeredIn(now - batch.offeredAt)
    }
    batch.askedAt ??= now
    batch.requests.push(request)
    this.#pump(now)
    return true
  }

  /**
   * Returns whether the request waited for its turn: then it is forgotten. With its last request the whole batch is over.
   */
  cancelled(session: Session, first: number, id: number): boolean {
    const batch = this.#placement.batchOf(session.id, first)
    if (batch === undefined) return false
    const at = batch.requests.findIndex(request => request.id === id)
    const [waited] = at >= 0 ? batch.requests.splice(at, 1) : []
    if (waited !== undefined) {
      this.#placement.permitsOf(session.id)?.giveBack(waited.offset, waited.offset + waited.length)
    }
    if (!this.#owes(session, batch)) {
      for (const piece of [...batch.left.keys()]) this.#placement.broken(session.id, piece)
    }
    return at >= 0
  }

  /** These come to them from elsewhere. */
  promised(session: Session, pieces: readonly number[], now: number): void {
    this.#placement.promised(session, pieces, now)
    this.fill(now)
  }

  /** Pieces [first, end) do not come to them after all. */
  promiseBroken(session: Session, first: number, end: number): void {
    this.#placement.promiseBroken(session.id, first, end)
  }

  /** They cannot take more now. */
  declined(session: Session, pieces: readonly number[], now: number): void {
    for (const piece of pieces) {
      if (this.#placement.batchOf(session.id, piece)?.askedAt === undefined) this.#placement.broken(session.id, piece)
    }
    session.pause.declined(this.#placement.placedWith(session.id), now)
    this.fill(now)
  }

  /** All but the last block of these came to them from us. */
  arriving(session: Session, pieces: readonly number[], now: number): void {
    for (const piece of pieces) {
      const batch = this.#placement.batchOf(session.id, piece)
      if (batch !== undefined) batch.isArriving = true
    }
    this.#pump(now)
  }

  // what became of ours

  /** An upload that began in the piece was handed to the stream, in whole or not. */
  sent(session: Session, piece: number, whole: boolean, now: number): void {
    if (!whole) {
      this.#placement.broken(session.id, piece)
      this.fill(now)
      return
    }
    const batch = this.#placement.batchOf(session.id, piece)
    if (batch === undefined) return
    batch.movedAt = now
    if (this.#owes(session, batch)) return
    batch.sentAt = now
    if (session.places) return
    // it says nothing of what comes: what the stream took is all that is known
    batch.isArriving = true
    this.#pump(now)
  }

  /** All but the last block of the piece came to us: it can be offered, and is sent when it is verified. */
  soon(piece: number, now: number): void {
    this.#placement.offerable(piece, true)
    this.fill(now, true)
  }

  /** We hold one more piece. @param more others that came with it follow at once: they are offered together */
  held(piece: number, more: boolean, now: number): void {
    this.#placement.offerable(piece, true)
    if (more) return
    this.#pump(now)
    this.fill(now, true)
  }

  /** The piece is held no longer, or was not what it should be. */
  lost(piece: number): void {
    this.#placement.offerable(piece, false)
  }

  /** It does not go to the session after all. */
  broken(session: Session, piece: number): void {
    this.#placement.broken(session.id, piece)
  }

  /** @param bytesPerSec our own limit; undefined: none */
  limited(bytesPerSec: number | undefined): void {
    this.#limit = bytesPerSec
  }

  tick(now: number): void {
    this.#placement.tick(now, this.#limit !== undefined)
    this.#pump(now)
    this.fill(now)
  }

  /** Offers as much as the uplink takes. @param beyond a piece that is far rarer than all that wait, even beyond that */
  fill(now: number, beyond = false): void {
    const windowBytes = this.#window.placeBelow(now)
    const mostBytes = windowBytes + (beyond && this.#context.follows('beyond') ? this.#unit : 0)
    if (!this.#mayGive || this.#placement.placedBytes >= mostBytes) return
    const takers = this.#takers(now)
    const from = stretchOf(this.#pieces.count, this.#context.random)
    const toPassOn = (session: Session) => this.#placement.toPassOn(session, from)
    const got = (session: Session) => gotLately(session, this.#placement.placedWith(session.id), now)
    const order = this.#limit === undefined ? toPassOn : got
    while (takers.length > 0 && this.#placement.placedBytes < mostBytes && this.#hasTime) {
      const isBeyond = this.#placement.placedBytes >= windowBytes
      const below = isBeyond
        ? this.#outflow.leastWaiting(batch => this.#placement.rarityOf(batch)) / RARER
        : Number.POSITIVE_INFINITY
      if (below <= 0) return
      orderTakers(takers, this.#context.random, this.#context.follows('neediest') ? order : undefined)
      const [owed, owing] = !this.#context.follows('reciprocity') ? [takers, []] : this.#split(takers)
      const batch = this.#placement.place(owed, below, now) ?? this.#placement.place(owing, below, now)
      const session = batch === undefined ? undefined : this.#context.sessions.get(batch.session)
      if (batch === undefined || session === undefined) return
      if (isProbe(session, now)) this.#placement.count(batch, false)
      if (!this.#mayTake(session)) takers.splice(takers.indexOf(session), 1)
      this.#outflow.offered(batch)
      this.#context.send(session, { type: 'offer', pieces: [...batch.left.keys()] })
    }
  }

  /** Under a limit: whoever was offered what cannot be sent soon would take us for a staller. */
  get #hasTime(): boolean {
    const { placedBytes } = this.#placement
    return this.#limit === undefined || placedBytes === 0 || placedBytes <= (this.#limit * LIMITED_AHEAD_MS) / SECOND_MS
  }

  /** The batch is no longer placed: what waited for its start is refused. */
  #over(batch: Batch): void {
    this.#outflow.over(batch)
    const session = this.#context.sessions.get(batch.session)
    for (const { id, length } of batch.requests.splice(0)) {
      if (session?.uploads.delete(id) !== true) continue
      session.uploadBytes -= length
      this.#context.send(session, { type: 'reject', id, code: 'notHeld' })
    }
  }

  #lapsed(id: SessionId, now: number): void {
    const session = this.#context.sessions.get(id)
    if (session === undefined) return
    session.pause.lapsed(LAPSED_MS * 2 ** Math.min(session.timesLapsed, MAX_LAPSE_DOUBLINGS), now)
    session.timesLapsed += 1
  }

  get #mayGive(): boolean {
    const { places, regularSlots, optimisticSlots } = this.#context.config
    return places && regularSlots + optimisticSlots > 0
  }

  #takers(now: number): Session[] {
    const takers: Session[] = []
    let probes = 0
    for (const { id } of this.#context.sessions.values()) if (this.#placement.isProbed(id)) probes += 1
    for (const session of this.#context.sessions.values()) {
      const isProbed = isProbe(session, now)
      if (isProbed && probes >= MAX_PROBES) continue
      if (
        this.#mayTake(session) &&
        session.peerInterested &&
        now >= session.pause.until &&
        session.have.length === this.#pieces.count
      ) {
        takers.push(session)
        if (isProbed) probes += 1
      }
    }
    return takers
  }

  /** One that let lapse what it was given, and never took anything, is trusted with one batch; so is one that is slow. */
  #mayTake({ id, hasTaken, timesLapsed }: Session): boolean {
    const isTrusted = (hasTaken || timesLapsed === 0) && !this.#placement.isInDoubt(id)
    return isTrusted || this.#placement.placedWith(id) === 0
  }

  #isSlow(batch: Batch, now: number): boolean {
    if (this.#limit !== undefined && isBeingSent(batch)) return false
    const session = this.#context.sessions.get(batch.session)
    const doubtedMs = this.#window.doubtedMs(batch.leftBytes, session?.hasTaken === true, now)
    return isDoubtful(batch, session?.answerMs, doubtedMs, now)
  }

  /** Those who gave about as much as they got, and those who did not. */
  #split(takers: readonly Session[]): [Session[], Session[]] {
    const owed: Session[] = []
    const owing: Session[] = []
    const isSeeder = this.#picker.missing.isEmpty
    const batches = Math.floor((CREDIT * this.#context.sessions.size * this.#unit) / this.#pieces.byteLength)
    for (const session of takers) {
      const debt = session.upBytes + this.#placement.placedWith(session.id) - session.downBytes
      const deserves = isSeeder ? this.#placement.unspread(session.id) < MAX_UNSPREAD : debt <= batches * this.#unit
      if (deserves) owed.push(session)
      else owing.push(session)
    }
    return [owed, owing]
  }

  #pump(now: number): void {
    const isHeld = (batch: Batch) => {
      for (const piece of batch.left.keys()) if (!this.#picker.have.has(piece)) return false
      return true
    }
    this.#outflow.pump(isHeld, batch => this.#placement.rarityOf(batch), now)
  }

  /** Whether a request of theirs for the batch has not ended. */
  #owes(session: Session, batch: Batch): boolean {
    for (const { offset } of session.uploads.values()) {
      const piece = this.#pieces.pieceAt(offset)
      if (piece !== undefined && this.#placement.batchOf(session.id, piece) === batch) return true
    }
    return false
  }

  #start(batch: Batch): void {
    for (const { id, offset, length } of batch.requests) {
      this.#context.emit({ type: 'upload', session: batch.session, id, offset, length })
    }
    batch.requests.length = 0
  }
}
