/**
 * Our requests and their fate. The picker says which block, the window how much; this keeps the books of both.
 *
 * Invariant: a session's requests are the blocks it is in the `asked` list of, and `inFlightBytes` is their sum.
 */
import { SECOND_MS } from '../../base/units.ts'
import type { RejectCode } from '../protocol/messages.ts'
import { type Assembly, type Block, isOpen } from './assembly.ts'
import type { Interest } from './interest.ts'
import type { Picker } from './picker.ts'
import { MAX_PATIENCE_MS, type OutRequest, type Session } from './session.ts'
import type { SwarmContext } from './swarm-context.ts'
import type { SessionId } from './swarm-io.ts'

/** How long a peer that rejected a request is not asked again. */
const COOL_MS = SECOND_MS
/** How long a peer that offered and did not give is not asked again, the first time. */
const LATE_COOL_MS = 10 * SECOND_MS
const MAX_LATE_DOUBLINGS = 5
/** Requests for offered pieces that a peer may reject before its session ends; four that it answers make up for one. */
const MAX_BROKEN_OFFERS = 16
const FORGIVEN_FOR_AN_ANSWER = 0.25
/**
 * A peer that offered and has not answered a request in full for so many times the usual is tardy, within these bounds:
 * others are told, and when one of them offers what it owes us, it is given up.
 */
const TARDY_FACTOR = 8
const MIN_TARDY_MS = 2 * SECOND_MS
/** Of one that never answered any, when nothing is left to begin. */
const MIN_UNTRIED_TARDY_MS = 0.4 * SECOND_MS
const MAX_TARDY_MS = 20 * SECOND_MS
/** Of two that are slow one is the better only by so much: rates of a few seconds differ by chance. */
const CLEARLY = 1.5
/** Less is none. */
const GIVING_BYTES_PER_SEC = 512
/** Answers over which the usual is smoothed. */
const PACE_ANSWERS = 16

export interface RequestEvents {
  /** The session does not hold pieces [first, end), though it said so. */
  onNotHeld(session: Session, first: number, end: number): void
  /** The session was asked for these, and nobody else was. */
  onBegun(session: Session, pieces: readonly number[]): void
  /** A block of these pieces is on its way from nobody any more. */
  onReleased(assembly: Assembly): void
  /** The session is slow with these: others may offer them too. */
  onTardy(session: Session, pieces: readonly number[]): void
  /** All but the last block of the piece is there; the session gave the last of them. */
  onArriving(session: Session, piece: number, now: number): void
}

export class Requests {
  readonly #context: SwarmContext
  readonly #picker: Picker
  readonly #interest: Interest
  readonly #events: RequestEvents
  /** What passes between two answers of a peer that owes us, ms, over all sessions, smoothed. */
  #paceMs = 0

  constructor(context: SwarmContext, picker: Picker, interest: Interest, events: RequestEvents) {
    this.#context = context
    this.#picker = picker
    this.#interest = interest
    this.#events = events
  }

  /** Asks the session for as much as its window holds. */
  pump(session: Session, now: number): void {
    if (this.#interest.paused) return
    const begun: number[] = []
    this.#fill(session, begun, now)
    if (begun.length > 0) this.#events.onBegun(session, begun)
  }

  #fill(session: Session, begun: number[], now: number): void {
    while (session.mayBeAsked(now)) {
      const block = this.#picker.pick(session, now)
      if (block === undefined) return
      if (session.requests.size === 0) {
        session.lastDownAt = now
        session.progressAt = now
      }
      const id = session.nextRequestId
      session.nextRequestId = id >= 0xffff_ffff ? 1 : id + 1
      session.requests.set(id, { id, block, askedAt: now })
      session.inFlightBytes += block.length
      const { assembly } = block
      if (assembly.open === assembly.blocks.length) {
        for (let piece = assembly.first; piece < assembly.first + assembly.count; piece++) begun.push(piece)
      }
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
    session.brokenOffers = Math.max(0, session.brokenOffers - FORGIVEN_FOR_AN_ANSWER)
    session.tookMs(now - request.askedAt)
    this.#paceMs += (now - session.progressAt - this.#paceMs) / PACE_ANSWERS
    session.progressAt = now
    session.silentSince = undefined
    session.timesLate = 0
    session.isTardy = false
    session.hasGiven = true
    this.#unsnub(session)
    session.window.completed(request.block.length, now)
    const { others, whole } = this.#picker.given(request.block, session)
    for (const other of others) this.#cancelBlock(other, request.block)
    if (whole !== undefined) this.#context.emit({ type: 'verify', first: whole.first, count: whole.count })
    const { assembly } = request.block
    if (assembly.missing === 1 && assembly.blocks.length > 1) this.#events.onArriving(session, assembly.first, now)
    this.pump(session, now)
    if (session.requests.size === 0) session.window.idle()
  }

  rejected(session: Session, id: number, code: RejectCode, now: number): void {
    const request = session.requests.get(id)
    if (request === undefined) return
    this.#remove(session, request)
    const { block } = request
    const { first, count } = block.assembly
    // all that was under way when it lost some of it counts as one: it may just have come, and have had nothing to give yet
    const isWithdrawn = code === 'notHeld' && request.askedAt <= session.brokenAt
    if (session.offered.has(first) && !isWithdrawn) {
      session.brokenOffers += 1
      session.brokenAt = now
      session.coolUntil = now + COOL_MS * session.brokenOffers
    }
    for (let piece = first; piece < first + count; piece++) session.offered.delete(piece)
    if (code === 'notHeld') {
      // a piece of the run may have been withdrawn while the request was under way: then the others are still there
      if (session.have.hasRange(first, first + count)) this.#events.onNotHeld(session, first, first + count)
    } else session.coolUntil = Math.max(session.coolUntil, now + COOL_MS)
    this.#released(block, session.id)
    if (session.brokenOffers > MAX_BROKEN_OFFERS) this.#context.end(session, 'limit', 'it offers what it does not give')
    this.pumpAll(now)
  }

  /** The session's requests are others' from here on; nothing is said to it. */
  release(session: Session): void {
    for (const request of session.requests.values()) this.#released(request.block, session.id)
    session.requests.clear()
    session.inFlightBytes = 0
  }

  /** Withdraws every request of the session, on the wire too. */
  cancelAll(session: Session): void {
    for (const request of [...session.requests.values()]) {
      this.#remove(session, request)
      this.#released(request.block, session.id)
      this.#context.emit({ type: 'cancelRequest', session: session.id, id: request.id })
    }
  }

  /** @param moved whether a byte of theirs arrived since the last tick @param heldBack whether we hold back requests */
  tick(session: Session, moved: boolean, heldBack: boolean, now: number): void {
    if (moved || heldBack) {
      session.lastDownAt = now
      session.silentSince = undefined
    }
    if (heldBack) session.progressAt = now
    if (moved) this.#unsnub(session)
    if (session.requests.size === 0) {
      // who was given up as late goes on being silent until it is asked again; who owes nothing else is not
      if (session.timesLate === 0) session.silentSince = undefined
      return
    }
    session.silentSince ??= session.lastDownAt
    if (now - session.silentSince >= this.#context.config.snubMs) this.#snub(session, now)
    if (!session.places || !this.#context.follows('late')) return
    const patienceMs = this.#hasOther(session) ? session.patienceMs : MAX_PATIENCE_MS
    if (now - session.lastDownAt >= patienceMs) this.#giveUp(session, now)
    else if (!session.isTardy && this.isTardy(session, now)) this.#tellTardy(session)
  }

  /** Whether it owes us for longer than it should take: others are better. */
  isTardy(session: Session, now: number): boolean {
    return session.places && this.#isLate(session, now)
  }

  #isLate(session: Session, now: number): boolean {
    if (session.requests.size === 0 || !this.#context.follows('late')) return false
    const isEndgame = this.#picker.availability.pickable.isEmpty
    const leastMs = session.hasGiven || !isEndgame ? MIN_TARDY_MS : MIN_UNTRIED_TARDY_MS
    const usualMs = Math.max(leastMs, TARDY_FACTOR * this.#paceMs)
    return now - session.progressAt >= Math.min(MAX_TARDY_MS, usualMs)
  }

  /**
   * Somebody offers the piece: who is tardy with it is given up, but, unless who offers is known to be quicker, for the
   * best of those that give all the same. Where everybody is slow each would else be given up in turn, and nobody ever be
   * done. That one is helped: its blocks are asked of one more, and whoever gives a block first spares the other the rest.
   */
  takeOver(assembly: Assembly, by: Session, now: number): void {
    const owing = new Set<Session>()
    for (const { asked, givenBy } of assembly.blocks) {
      if (givenBy !== undefined) continue
      for (const id of asked) {
        const session = this.#context.sessions.get(id)
        if (session !== undefined && session !== by && this.isTardy(session, now)) owing.add(session)
      }
    }
    const slow = [...owing].filter(session => isGiving(session, now) && !isQuicker(by, session, now))
    const best = bestOf(slow, now)
    for (const session of owing) {
      if (session === best) continue
      if (slow.includes(session)) this.#spare(session, assembly)
      else this.#giveUp(session, now)
    }
    if (best !== undefined) assembly.helped = true
  }

  /** The same of a piece that comes from one peer alone: who is slow with it is not helped, but makes room. */
  takeOverSolo(assembly: Assembly, by: Session, now: number): void {
    const slow = this.#context.sessions.get(assembly.owner ?? by.id)
    if (slow === undefined || slow === by || !this.#isLate(slow, now)) return
    if (isGiving(slow, now) && !isQuicker(by, slow, now)) return
    if (this.#picker.takesOverSolo(assembly.first, by.peerId)) this.#spare(slow, assembly)
  }

  /** It need not give these any more: it is as slow as another, who was asked before. */
  #spare(session: Session, assembly: Assembly): void {
    for (const request of [...session.requests.values()]) {
      if (request.block.assembly !== assembly) continue
      this.#remove(session, request)
      this.#released(request.block, session.id)
      this.#context.emit({ type: 'cancelRequest', session: session.id, id: request.id })
    }
  }

  #tellTardy(session: Session): void {
    session.isTardy = true
    const pieces = new Set<number>()
    for (const { block } of session.requests.values()) {
      const { first, count, solo } = block.assembly
      if (!solo) for (let piece = first; piece < first + count; piece++) pieces.add(piece)
    }
    if (pieces.size > 0)
      this.#events.onTardy(
        session,
        [...pieces].sort((a, b) => a - b)
      )
  }

  /** Whether somebody else is there from whom something might come. */
  #hasOther(session: Session): boolean {
    for (const other of this.#context.sessions.values()) {
      if (other !== session && other.greeted && other.lacked > 0 && !other.snubbed) return true
    }
    return false
  }

  /** What it is late with is free for others; it may offer again later, each time after a longer pause. */
  #giveUp(session: Session, now: number): void {
    session.coolUntil = now + LATE_COOL_MS * 2 ** Math.min(session.timesLate, MAX_LATE_DOUBLINGS)
    session.timesLate += 1
    session.isTardy = false
    session.offeredQueue.length = 0
    session.offered.clear()
    this.cancelAll(session)
    this.#picker.disown(session.id)
  }

  #snub(session: Session, now: number): void {
    if (!session.snubbed) {
      session.snubbed = true
      this.#picker.snubChanged(session)
    }
    this.#giveUpSolo(session, now)
  }

  /**
   * A piece that may come from one peer alone must not wait for one that is silent: nobody else could be asked. Where all
   * are silent each has its time: asked and given up at every tick, none could ever give it.
   */
  #giveUpSolo(session: Session, now: number): void {
    for (const request of [...session.requests.values()]) {
      if (!request.block.assembly.solo || now - request.askedAt < this.#context.config.snubMs) continue
      this.#remove(session, request)
      this.#released(request.block, session.id)
      this.#picker.disown(session.id)
      this.#context.emit({ type: 'cancelRequest', session: session.id, id: request.id })
    }
  }

  #released(block: Block, session: SessionId): void {
    this.#picker.released(block, session)
    if (isOpen(block)) this.#events.onReleased(block.assembly)
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

/** Whether what it owes us is coming, be it slowly. */
function isGiving(session: Session, now: number): boolean {
  return session.down.rate(now) >= GIVING_BYTES_PER_SEC && now - session.lastDownAt < session.patienceMs
}

/** Whether it usually answers in much less than the other has had. */
function isQuicker({ hasGiven, serviceMs }: Session, other: Session, now: number): boolean {
  return hasGiven && CLEARLY * serviceMs < now - other.progressAt
}

/** Of those that give: who was asked first, unless another is clearly faster. */
function bestOf(sessions: Iterable<Session>, now: number): Session | undefined {
  let best: Session | undefined
  for (const session of sessions) {
    if (best === undefined || session.down.rate(now) > CLEARLY * best.down.rate(now)) best = session
  }
  return best
}
