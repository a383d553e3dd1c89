/**
 * What we upload, chosen by us: which piece goes to which peer next. Leechers that only pull cannot know what others
 * send them next, nor what a seeder sends to others; whoever owns the uplink, the scarce thing, decides how it is used,
 * and the other side only says no to what it gets from elsewhere.
 *
 * A piece is *placed* with a session from when it was offered until the session has it, declines it, does not answer, or
 * ends. The rarest piece goes first; a placed piece counts as held already, and so does one that the peer said is coming
 * from elsewhere, so that a piece goes out once before any other goes out twice.
 *
 * Invariants: the rarity of a piece is the number of leechers that joined and hold it, or that it is placed with, or that
 * promised to have it soon. `placedBytes` is the sum over all batches that are counted. `off` of a session holds the pieces
 * placed with it and those that it promised.
 */
import type { Random } from '../../base/random.ts'
import { SECOND_MS } from '../../base/units.ts'
import type { PieceMap } from '../../content/piece-map.ts'
import { MAX_OFFER_PIECES } from '../protocol/limits.ts'
import { Availability, type Lacking } from './availability.ts'
import { BATCH_BYTES, type Batch, newBatch } from './batch.ts'
import { isLapsed } from './lapse.ts'
import { Permits } from './permits.ts'
import { PieceSet } from './piece-set.ts'
import type { SessionId } from './swarm-io.ts'
import { toPassOn } from './to-pass-on.ts'

/** A piece that comes to a peer from elsewhere is not offered to it for so long: it has it by then, if all goes well. */
export const PROMISED_MS = 5 * SECOND_MS
/** Pieces that one session may promise to have soon; of more the oldest are forgotten. */
const MAX_PROMISED = 4 * MAX_OFFER_PIECES

/** A peer that may be given something. */
export interface Taker {
  readonly id: SessionId
  readonly have: PieceSet
}

/** What a peer wants first. */
export interface Wants {
  readonly urgent: PieceSet
  readonly ahead: PieceSet
  /** And nothing else. */
  readonly only: boolean
}

interface Lane {
  readonly placed: Map<number, Batch>
  placedBytes: number
  /** When each was promised. */
  readonly promised: Map<number, number>
  readonly off: PieceSet
  readonly permitted: Permits
  wants: Wants | undefined
  /** Holds everything, and is not counted. */
  isSeeder: boolean
}

export interface PlacementInit {
  readonly pieces: PieceMap
  readonly held: PieceSet
  readonly random: Random
  /** False: any piece is as good as another. */
  readonly byRarity: boolean
  /** A batch is no longer placed. */
  readonly onOver: (batch: Batch) => void
  /** The session let something lapse that was placed with it. */
  readonly onLapsed: (session: SessionId, now: number) => void
  /** Whether the batch takes so long that the uplink is better used for others meanwhile. */
  readonly isSlow: (batch: Batch, now: number) => boolean
}

interface Lacker {
  readonly lane: Lane
  readonly id: SessionId
  readonly have: PieceSet
  readonly off: PieceSet
}

type Within = Pick<Lacking, 'within'>

export class Placement {
  placedBytes = 0
  readonly #pieces: PieceMap
  readonly #random: Random
  readonly #rarity: Availability
  readonly #lanes = new Map<SessionId, Lane>()
  readonly #onOver: (batch: Batch) => void
  /** Pieces that nobody else had when we gave them, and who got them; until somebody else has them or gets them. */
  readonly #unspread = new Map<number, SessionId>()
  readonly #onLapsed: (session: SessionId, now: number) => void
  readonly #isSlow: (batch: Batch, now: number) => boolean

  constructor(init: PlacementInit) {
    this.#pieces = init.pieces
    this.#random = init.random
    this.#onOver = init.onOver
    this.#onLapsed = init.onLapsed
    this.#isSlow = init.isSlow
    this.#rarity = new Availability(init.pieces.count, init.byRarity)
    for (const piece of init.held.ones()) this.offerable(piece, true)
  }

  /** We hold the piece, or will in a moment; or not any longer. */
  offerable(piece: number, isOfferable: boolean): void {
    this.#rarity.setPickable(piece, isOfferable && this.#pieces.wireSize(piece) > 0)
  }

  /** How many have its first piece that is left, as far as is known. */
  rarityOf(batch: Batch): number {
    for (const piece of batch.left.keys()) return this.#rarity.count(piece)
    return 0
  }

  isOfferable(piece: number): boolean {
    return this.#rarity.pickable.has(piece)
  }

  /** What the session has for others to get, in pieces. @param from see to-pass-on.ts */
  toPassOn({ id, have }: Taker, from: number): number {
    const off = this.#lanes.get(id)?.off
    return toPassOn({ have, off, rarity: this.#rarity, lanes: this.#lanes.values() }, from)
  }

  /** Bytes placed with the session. */
  placedWith(session: SessionId): number {
    return this.#lanes.get(session)?.placedBytes ?? 0
  }

  /** Whether something that is placed with the session takes longer than it should. */
  isInDoubt(session: SessionId): boolean {
    for (const batch of this.#lanes.get(session)?.placed.values() ?? []) {
      if (!batch.isCounted && (batch.isDoubted || batch.askedAt === undefined)) return true
    }
    return false
  }

  /** Whether something is placed with the session that does not count, as it may not answer. */
  isProbed(session: SessionId): boolean {
    for (const batch of this.#lanes.get(session)?.placed.values() ?? []) {
      if (!batch.isCounted && !batch.isDoubted) return true
    }
    return false
  }

  /** The session answers: what is placed with it counts. */
  answered(session: SessionId): void {
    for (const batch of this.#lanes.get(session)?.placed.values() ?? []) if (!batch.isDoubted) this.count(batch, true)
  }

  /** Whether the batch takes up the window from here on. */
  count(batch: Batch, isCounted: boolean): void {
    if (batch.isCounted === isCounted) return
    batch.isCounted = isCounted
    this.placedBytes += isCounted ? batch.leftBytes : -batch.leftBytes
  }

  /** The batch with that piece, where it is placed with the session. */
  batchOf(session: SessionId, piece: number): Batch | undefined {
    return this.#lanes.get(session)?.placed.get(piece)
  }

  // what peers hold

  join({ id, have, countsAsSeeder }: Taker & { countsAsSeeder: boolean }): void {
    if (!countsAsSeeder) for (const piece of have.ones()) this.#rarity.increment(piece)
    this.#lanes.set(id, {
      placed: new Map(),
      placedBytes: 0,
      promised: new Map(),
      off: new PieceSet(this.#pieces.count),
      permitted: new Permits(this.#pieces),
      wants: undefined,
      isSeeder: countsAsSeeder
    })
  }

  leave({ id, have }: Taker): void {
    const lane = this.#lanes.get(id)
    if (lane === undefined) return
    for (const piece of [...lane.placed.keys()]) this.#unplace(lane, piece)
    for (const piece of [...lane.promised.keys()]) this.#forgetPromise(lane, piece)
    if (!lane.isSeeder) for (const piece of have.ones()) this.#rarity.decrement(piece)
    for (const [piece, holder] of this.#unspread) if (holder === id) this.#unspread.delete(piece)
    this.#lanes.delete(id)
  }

  /**
   * They hold pieces that they did not. Returns the bytes of those that were placed with them, and of these what arrived
   * from us: what was not started came from elsewhere.
   */
  gained({ id }: Taker, pieces: readonly number[]): { placedBytes: number; startedBytes: number } {
    const lane = this.#lanes.get(id)
    if (lane === undefined) return { placedBytes: 0, startedBytes: 0 }
    const before = lane.placedBytes
    let startedBytes = 0
    for (const piece of pieces) {
      const batch = lane.placed.get(piece)
      if (batch?.startedAt !== undefined) startedBytes += batch.left.get(piece) ?? 0
      this.#rarity.increment(piece)
      this.#forgetPromise(lane, piece)
      this.#unplace(lane, piece)
      if (batch?.startedAt !== undefined && this.#rarity.count(piece) === 1) this.#unspread.set(piece, id)
      else this.#spread(piece, id)
    }
    return { placedBytes: before - lane.placedBytes, startedBytes }
  }

  /** They no longer hold these; `have` says so already. */
  withdrawn({ id, have }: Taker, pieces: readonly number[]): void {
    const lane = this.#lanes.get(id)
    if (lane === undefined) return
    if (lane.isSeeder) {
      lane.isSeeder = false
      for (const piece of have.ones()) this.#rarity.increment(piece)
    } else for (const piece of pieces) this.#rarity.decrement(piece)
  }

  // what peers answer

  /** They get these from elsewhere. What they asked us for stays placed. */
  promised({ id, have }: Taker, pieces: readonly number[], now: number): void {
    const lane = this.#lanes.get(id)
    if (lane === undefined) return
    for (const piece of pieces) {
      const batch = lane.placed.get(piece)
      if (batch?.askedAt !== undefined || have.has(piece) || piece >= this.#pieces.count) continue
      if (batch !== undefined) this.#unplace(lane, piece)
      lane.permitted.revoke(piece)
      this.#forgetPromise(lane, piece)
      lane.promised.set(piece, now)
      lane.off.add(piece)
      this.#rarity.increment(piece)
      this.#spread(piece, id)
      this.#boundPromises(lane)
    }
  }

  /** Pieces [first, end) do not come to them after all. */
  promiseBroken(session: SessionId, first: number, end: number): void {
    const lane = this.#lanes.get(session)
    if (lane === undefined) return
    for (const piece of [...lane.promised.keys(), ...lane.placed.keys()]) {
      if (piece < first || piece >= end) continue
      this.#forgetPromise(lane, piece)
      // ours was sent in vain, or was cancelled when it was all on its way
      this.#unplace(lane, piece)
    }
  }

  /** The piece is no longer to be had here, or its upload failed. */
  broken(session: SessionId, piece: number): void {
    const lane = this.#lanes.get(session)
    if (lane !== undefined) this.#unplace(lane, piece)
  }

  /** What the session may ask for though it is choked. */
  permitsOf(session: SessionId): Permits | undefined {
    return this.#lanes.get(session)?.permitted
  }

  /** @param slow under a limit of our own a block may take long: it does not lapse */
  tick(now: number, slow = false): void {
    for (const [session, lane] of this.#lanes) {
      const before = lane.placed.size
      for (const [piece, batch] of lane.placed) {
        if (isLapsed(batch, slow, now)) this.#unplace(lane, piece)
        else if (!batch.isDoubted && this.#isSlow(batch, now)) {
          batch.isDoubted = true
          this.count(batch, false)
        }
      }
      if (lane.placed.size < before) this.#onLapsed(session, now)
      for (const [piece, at] of lane.promised) {
        if (now - at < PROMISED_MS) break
        this.#forgetPromise(lane, piece)
      }
    }
  }

  // the choice

  /** How many pieces the session got from us that have not spread from it (BEP 16). */
  unspread(session: SessionId): number {
    let count = 0
    for (const holder of this.#unspread.values()) if (holder === session) count += 1
    return count
  }

  wanted(session: SessionId, wants: Wants | undefined): void {
    const lane = this.#lanes.get(session)
    if (lane !== undefined) lane.wants = wants
  }

  /**
   * The rarest piece that one of them lacks goes to the first of those that lack it; what peers want first goes first.
   * @param takers in order @param below only pieces of a lesser rarity
   */
  place(takers: readonly Taker[], below: number, now: number): Batch | undefined {
    const chosen = this.#choose(
      takers.flatMap(({ id, have }) => {
        const lane = this.#lanes.get(id)
        return lane === undefined ? [] : { lane, id, have, off: lane.off }
      }),
      below
    )
    if (chosen === undefined) return undefined
    const { lane, id, have, off, within } = chosen.taker
    const isGiven = (piece: number) =>
      this.#rarity.pickable.has(piece) && !have.has(piece) && !off.has(piece) && within?.has(piece) !== false
    const { first, count } = this.#groupOf(chosen.piece, isGiven)
    const batch = newBatch(id, now)
    for (let piece = first; piece < first + count; piece++) this.#place(lane, batch, piece)
    return batch
  }

  /**
   * For those who read: what they wait for and nobody else has, what nobody else has of what they read soon (else all of
   * a swarm that reads the same would send what everybody has, and nothing new would come), what they wait for, what they
   * read soon, anything. For the others the rarest, beside what readers wait for.
   */
  #choose(lacking: readonly Lacker[], below: number): { taker: Lacker & Within; piece: number } | undefined {
    const rarest = (takers: ReadonlyArray<Lacker & Within>, less: number) =>
      this.#rarity.rarestLacked(takers, this.#random, less)
    const readers = lacking.filter(({ lane }) => lane.wants !== undefined)
    const all = (within: (wants: Wants | undefined) => PieceSet | undefined, of: readonly Lacker[]) =>
      of.map(taker => ({ ...taker, within: within(taker.lane.wants) }))
    const first = all(wants => wants?.urgent, lacking)
    if (readers.length === 0) return rarest(first, below)
    const ahead = all(wants => wants?.ahead, readers)
    const urgent = all(wants => wants?.urgent, readers)
    const free = readers.filter(({ lane }) => lane.wants?.only === false)
    const anything = all(() => undefined, free)
    return (
      rarest(urgent, Math.min(below, 1)) ??
      rarest(ahead, Math.min(below, 1)) ??
      rarest(first, below) ??
      rarest(ahead, below) ??
      rarest(anything, below)
    )
  }

  /**
   * A large piece alone, a small one and those around it that begin in the same stretch of the piece space. The bounds
   * are the same everywhere: groups that began anywhere would soon be splinters.
   */
  #groupOf(piece: number, accepts: (piece: number) => boolean): { first: number; count: number } {
    const cellOf = (other: number) => Math.floor(this.#pieces.offset(other) / BATCH_BYTES)
    const cell = cellOf(piece)
    const isSmall = (other: number) => this.#pieces.wireSize(other) < BATCH_BYTES
    const belongs = (other: number) => cellOf(other) === cell && isSmall(other) && isSmall(piece) && accepts(other)
    let first = piece
    while (first > 0 && piece - first < MAX_OFFER_PIECES / 2 && belongs(first - 1)) first -= 1
    let end = piece + 1
    while (end < this.#pieces.count && end - first < MAX_OFFER_PIECES && belongs(end)) end += 1
    return { first, count: end - first }
  }

  #place(lane: Lane, batch: Batch, piece: number): void {
    const bytes = this.#pieces.wireSize(piece)
    batch.left.set(piece, bytes)
    batch.leftBytes += bytes
    lane.placed.set(piece, batch)
    lane.placedBytes += bytes
    this.placedBytes += bytes
    lane.off.add(piece)
    lane.permitted.grant(piece)
    this.#rarity.increment(piece)
  }

  #unplace(lane: Lane, piece: number): void {
    const batch = lane.placed.get(piece)
    const bytes = batch?.left.get(piece)
    if (batch === undefined || bytes === undefined) return
    batch.left.delete(piece)
    batch.leftBytes -= bytes
    lane.placed.delete(piece)
    lane.placedBytes -= bytes
    if (batch.isCounted) this.placedBytes -= bytes
    lane.off.delete(piece)
    this.#rarity.decrement(piece)
    if (batch.left.size === 0) this.#onOver(batch)
  }

  /** Somebody has the piece, or gets it. */
  #spread(piece: number, by: SessionId): void {
    if (this.#unspread.get(piece) !== by) this.#unspread.delete(piece)
  }

  #boundPromises(lane: Lane): void {
    for (const oldest of lane.promised.keys()) {
      if (lane.promised.size <= MAX_PROMISED) return
      this.#forgetPromise(lane, oldest)
    }
  }

  #forgetPromise(lane: Lane, piece: number): void {
    if (!lane.promised.delete(piece)) return
    if (!lane.placed.has(piece)) lane.off.delete(piece)
    this.#rarity.decrement(piece)
  }
}
