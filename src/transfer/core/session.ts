/** One session as the core sees it: what either side holds, wants and allows, and what is in flight. */
import { KIB } from '../../base/units.ts'
import { MAX_REQUEST_BYTES } from '../protocol/limits.ts'
import type { Have } from '../protocol/messages.ts'
import type { Block } from './assembly.ts'
import type { Giver } from './giver.ts'
import { MessageBudget } from './message-budget.ts'
import { PendingHave } from './pending-have.ts'
import { PieceSet } from './piece-set.ts'
import { RateMeter } from './rate-meter.ts'
import { RequestWindow } from './request-window.ts'
import type { SessionId } from './swarm-io.ts'
import { TakingPause } from './taking-pause.ts'

/** A peer whose rate is not known is expected to take so much longer than it has taken already. */
const PATIENCE_FACTOR = 4
const UNTRIED_MS = 1000
/** A peer that offered, was asked, and sends nothing is late after 4 of its usual times, within these bounds. */
const MIN_PATIENCE_MS = 5000
export const MAX_PATIENCE_MS = 20_000
/** Payload that counts as a sign of life: less than that in the time that we are patient is none. */
const LIVELY_BYTES = 4 * KIB
/** Pieces that a peer may have on offer to us; those it offered first are forgotten. */
export const MAX_OFFERED_TO_US = 4096

export interface OutRequest {
  readonly id: number
  readonly block: Block
  readonly askedAt: number
}

export interface InRequest {
  readonly offset: number
  readonly length: number
}

export class Session implements Giver {
  readonly id: SessionId
  readonly peerId: string
  readonly outbound: boolean
  readonly openedAt: number
  /** What it may still say. */
  readonly budget: MessageBudget
  greeted = false

  amChoking = true
  peerChoking = true
  amInterested = false
  peerInterested = false

  /** What they hold; of length 0 until our manifest is known. */
  have = new PieceSet(0)
  countsAsSeeder = false
  /** What they hold, while our manifest is not known. */
  readonly pendingHave = new PendingHave()
  /** They place what they upload: they are asked for what they offer, and else only for what cannot wait. */
  places = false
  /** They hold the whole manifest. */
  hasManifest = false
  /** Times that they said anew what they hold. */
  haveBitfields = 0
  /** Times that we did. */
  haveBitfieldsSent = 0
  /** Pieces that we miss and they hold. */
  lacked = 0

  // from them
  maxRequests = 1
  maxRequestBytes = 0
  window = new RequestWindow(0, 0)
  nextRequestId = 1
  readonly requests = new Map<number, OutRequest>()
  inFlightBytes = 0
  offeredQueue: number[] = []
  readonly offered = new Set<number>()
  /** What they offered and we had no use for, as readers wanted something else. */
  readonly declined = new Set<number>()
  snubbed = false
  /** No new request before then: they rejected one, or were late. */
  coolUntil = 0
  /** Since when they owe us and gave nothing at all. */
  silentSince: number | undefined
  /** Times that they were given up as late, since the last request that they answered in full. */
  timesLate = 0
  /** Requests for what they offered that they rejected, less a quarter of those that they answered. */
  brokenOffers = 0
  /** When the last of them was counted. */
  brokenAt = Number.NEGATIVE_INFINITY
  /** From a request to its last byte, ms, smoothed. */
  #serviceMs = 0
  /** The last payload that amounts to something, or when we asked after having asked for nothing. */
  lastDownAt = 0
  /** The last request that they answered in full, or when we asked after having asked for nothing. */
  progressAt = 0
  /** Others were told that what they owe us does not come from them. */
  isTardy = false
  /** They answered a request in full. */
  hasGiven = false
  /** Payload that does not amount to something yet. */
  #trickledBytes = 0
  readonly down = new RateMeter()
  downBytes = 0

  // to them
  /** Of what we offer them. */
  readonly pause = new TakingPause()
  /** They asked for something that was offered to them. */
  hasAnswered = false
  /** What they usually take for that, ms; undefined before the first. */
  answerMs: number | undefined
  /** Something that was placed with them arrived. */
  hasTaken = false
  /** Times that they let lapse what we placed with them, since something arrived. */
  timesLapsed = 0
  readonly uploads = new Map<number, InRequest>()
  uploadBytes = 0
  unchokedAt = 0
  /** Bytes sent since they were unchoked. */
  turnBytes = 0
  /** When their last turn ended; -1 before the first. */
  chokedAt = -1
  readonly up = new RateMeter()
  upBytes = 0

  /** The last message or byte from them. */
  lastHeardAt: number
  /** The last time that either side was interested. */
  lastInterestAt: number
  /** The last payload, theirs or ours, or the beginning. */
  movedAt: number

  constructor(init: { id: SessionId; peerId: string; outbound: boolean; now: number }) {
    this.id = init.id
    this.peerId = init.peerId
    this.outbound = init.outbound
    this.openedAt = init.now
    this.budget = new MessageBudget(init.now)
    this.lastHeardAt = init.now
    this.lastInterestAt = init.now
    this.movedAt = init.now
  }

  get isSeeder(): boolean {
    return this.have.length > 0 ? this.have.isFull : this.pendingHave.isAll
  }

  /** What they said they hold, replacing all before. False when it does not fit the pieces. */
  setHave(have: Have, pieceCount: number | undefined): boolean {
    this.pendingHave.set(have)
    return pieceCount === undefined || this.materialise(pieceCount)
  }

  /** Our manifest is known: turns what was pending into `have`. */
  materialise(pieceCount: number): boolean {
    const have = this.pendingHave.materialise(pieceCount)
    if (have === undefined) return false
    this.have = have
    this.countsAsSeeder = have.isFull
    return true
  }

  /** Payload bytes moved since the last time. */
  moved(down: number, up: number, now: number): void {
    this.down.add(down, now)
    this.up.add(up, now)
    this.downBytes += down
    this.upBytes += up
    this.turnBytes += up
    this.budget.moved(down + up, now)
    this.lastHeardAt = now
    this.movedAt = now
  }

  mayBeAsked(now: number): boolean {
    if (!this.greeted || now < this.coolUntil) return false
    if (this.lacked === 0 && this.offeredQueue.length === 0) return false
    if (this.peerChoking && this.offered.size === 0) return false
    const windowBytes = this.snubbed ? 1 : this.places ? this.maxRequestBytes : this.window.bytes
    if (this.inFlightBytes >= windowBytes || this.requests.size >= this.maxRequests) return false
    return this.inFlightBytes === 0 || this.inFlightBytes + MAX_REQUEST_BYTES <= this.maxRequestBytes
  }

  expectedMs(now: number): number {
    const rate = this.down.rate(now)
    if (rate > 0) return (this.inFlightBytes * 1000) / rate
    return this.requests.size === 0 ? UNTRIED_MS : UNTRIED_MS + PATIENCE_FACTOR * (now - this.lastDownAt)
  }

  /** Whether so much, with what came before, amounts to something: a byte now and then is no sign of life. */
  isLively(down: number): boolean {
    this.#trickledBytes += down
    if (this.#trickledBytes < LIVELY_BYTES) return false
    this.#trickledBytes = 0
    return true
  }

  /** They asked for an offer so long after it. */
  answeredIn(ms: number): void {
    this.answerMs = this.answerMs === undefined ? ms : this.answerMs + (ms - this.answerMs) / 4
  }

  /** From a request to its last byte, usually. */
  get serviceMs(): number {
    return this.#serviceMs
  }

  /** A request took so long. */
  tookMs(ms: number): void {
    this.#serviceMs += (ms - this.#serviceMs) / 4
  }

  /** Without a byte for so long they are late. */
  get patienceMs(): number {
    return Math.min(MAX_PATIENCE_MS, Math.max(MIN_PATIENCE_MS, PATIENCE_FACTOR * this.#serviceMs))
  }

  noteOffered(piece: number): void {
    note(this.offered, piece)
  }

  noteDeclined(piece: number): void {
    note(this.declined, piece)
  }
}

function note(pieces: Set<number>, piece: number): void {
  pieces.delete(piece)
  pieces.add(piece)
  if (pieces.size <= MAX_OFFERED_TO_US) return
  for (const oldest of pieces) {
    pieces.delete(oldest)
    return
  }
}
