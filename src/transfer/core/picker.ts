/**
 * What to ask a peer for next.
 *
 * Order for a peer: a piece that failed before and is to come from one peer alone; what a local reader waits for; the
 * piece that the peer has begun; what it offered; pieces begun that nobody goes on with; a new piece, the first few at
 * random, then the rarest; help with pieces that others have begun; what a snubbed peer owes us; and in the endgame what
 * a slower peer owes us, each block from two peers at most.
 *
 * Invariant: the availability counts exactly the givers here that are no seeders.
 */
import type { Random } from '../../base/random.ts'
import type { PieceMap } from '../../content/piece-map.ts'
import { MAX_HAVE_RUNS } from '../protocol/limits.ts'
import { type Assembly, type Block, helpable, isOpen, runAround, runForward } from './assembly.ts'
import type { Availability } from './availability.ts'
import { type Giver, mayGive, mayGiveAll } from './giver.ts'
import { latestBlock } from './late-block.ts'
import { PieceProgress, type PieceState } from './piece-progress.ts'
import type { PieceSet } from './piece-set.ts'
import type { SoloPiece } from './solo-piece.ts'
import type { SessionId } from './swarm-io.ts'

/** Pieces that are picked at random before rarity counts, so that there is soon something to give. */
export const RANDOM_FIRST_PIECES = 4

/** Pieces that a reader waits for: what it reads next. */
const URGENT_PIECES = 4
/** What comes after, of all readers: no more than one message names. More is named when these are here. */
const AHEAD_PIECES = MAX_HAVE_RUNS

export class Picker {
  readonly #pieces: PieceMap
  readonly #random: Random
  readonly #progress: PieceProgress
  readonly #givers = new Map<SessionId, Giver>()
  #ranges: ReadonlyArray<{ first: number; end: number }> = []
  #waitedFor = 0
  #snubbed = 0

  /** @param have copied */
  constructor(pieces: PieceMap, have: PieceSet, random: Random) {
    this.#pieces = pieces
    this.#random = random
    this.#progress = new PieceProgress(pieces, have)
  }

  /** Do not change it. */
  get have(): PieceSet {
    return this.#progress.have
  }

  /** Wanted and not held. Do not change it. */
  get missing(): PieceSet {
    return this.#progress.missing
  }

  get availability(): Availability {
    return this.#progress.availability
  }

  stateOf(piece: number): PieceState {
    return this.#progress.stateOf(piece)
  }

  // peers

  join(giver: Giver): void {
    this.#givers.set(giver.id, giver)
    if (!giver.countsAsSeeder) for (const piece of giver.have.ones()) this.availability.increment(piece)
    if (giver.snubbed) this.#snubbed += 1
  }

  /** Its blocks must have been released. */
  leave(giver: Giver): void {
    if (!this.#givers.delete(giver.id)) return
    if (!giver.countsAsSeeder) for (const piece of giver.have.ones()) this.availability.decrement(piece)
    if (giver.snubbed) this.#snubbed -= 1
    this.disown(giver.id)
  }

  /** The giver's `snubbed` changed. */
  snubChanged(giver: Giver): void {
    this.#snubbed += giver.snubbed ? 1 : -1
    if (giver.snubbed) this.disown(giver.id)
  }

  /** Others may go on with what the session has begun. */
  disown(session: SessionId): void {
    this.#progress.disown(session)
  }

  // what is wanted

  /**
   * Pieces that readers want first, in the order given. With `onlyThese` nothing else is wanted.
   * @param waitedFor so many of the ranges, the first, are what readers wait for
   */
  prioritise(ranges: ReadonlyArray<{ first: number; end: number }>, onlyThese: boolean, waitedFor = 0): void {
    this.#ranges = ranges
    this.#waitedFor = waitedFor
    this.#progress.want(onlyThese ? ranges : undefined)
  }

  /** Pieces that a reader waits for and that are not here: the first few, and what comes after. */
  get wants(): { urgent: number[]; ahead: number[] } {
    const pieces = new Set<number>()
    for (const { first, end } of this.#ranges) {
      for (let piece = first; piece < end && pieces.size < URGENT_PIECES + AHEAD_PIECES; piece++) {
        if (this.missing.has(piece)) pieces.add(piece)
      }
    }
    const inOrder = [...pieces]
    return { urgent: inOrder.slice(0, URGENT_PIECES), ahead: inOrder.slice(URGENT_PIECES) }
  }

  /** Whether a reader waits for something that is not here; one that has enough does not, though it wants more. */
  get isWaitedFor(): boolean {
    for (const { first, end } of this.#ranges.slice(0, this.#waitedFor)) {
      for (let piece = first; piece < end; piece++) if (this.missing.has(piece)) return true
    }
    return false
  }

  /** Pieces without bytes that are wanted: they need no peer. They are verifying from here on. */
  takeEmpty(): number[] {
    return this.#progress.takeEmpty()
  }

  // picking

  /** A block to ask the giver for, or undefined. The caller asks and says so with `asked`. */
  pick(giver: Giver, now: number): Block | undefined {
    return (
      this.#pickSolo(giver, now) ??
      (giver.places ? undefined : this.#pickPriority(giver)) ??
      this.#pickBegun(giver, assembly => assembly.owner === giver.id) ??
      this.#pickOffered(giver) ??
      (giver.places ? undefined : this.#pickUnasked(giver, now))
    )
  }

  /**
   * Whether the piece could be asked for if the giver offered it: it is not started, nobody goes on with it, or who does
   * is slow; of a piece that failed, whether the giver may be the one that gives all of it.
   * @param offering what the giver offers with it: small pieces that were begun together are asked for together
   */
  isOpen(piece: number, giver: Giver, now: number, offering?: ReadonlySet<number>): boolean {
    if (this.availability.pickable.has(piece)) return true
    const assembly = this.#progress.assemblyOf(piece)
    if (assembly === undefined) return this.#isOpenSolo(piece, giver, now)
    if (assembly.solo) return assembly.open > 0 && (assembly.owner ?? giver.id) === giver.id
    if (assembly.open === 0 || this.#isOthers(assembly, giver)) {
      if (helpable(assembly, giver.id) === undefined) return false
    }
    for (let at = assembly.first; at < assembly.first + assembly.count; at++) {
      if (offering?.has(at) !== true && !mayGive(giver, at)) return false
    }
    return true
  }

  /** Whether another goes on with the assembly, and may. */
  #isOthers(assembly: Assembly, giver: Giver): boolean {
    if (assembly.owner === undefined || assembly.owner === giver.id) return false
    const owner = this.#givers.get(assembly.owner)
    return owner !== undefined && mayGiveAll(owner, assembly)
  }

  /** What the piece is fetched with; undefined where it is not begun, or must come from one peer alone. */
  assemblyOf(piece: number): Assembly | undefined {
    const assembly = this.#progress.assemblyOf(piece)
    return assembly?.solo === true ? undefined : assembly
  }

  /** What a piece that must come from one peer alone is being fetched with. */
  soloOf(piece: number): Assembly | undefined {
    const assembly = this.#progress.assemblyOf(piece)
    return assembly?.solo === true ? assembly : undefined
  }

  /** Whether the peer may be asked for the piece in place of the one that is slow with it. */
  takesOverSolo(piece: number, peerId: string): boolean {
    return this.#progress.solo.get(piece)?.takeOver(peerId) === true
  }

  asked(block: Block, session: SessionId): void {
    this.#progress.asked(block, session)
  }

  /** The session will not give the block: rejected, cancelled, or gone. */
  released(block: Block, session: SessionId): void {
    const giver = block.assembly.solo ? this.#givers.get(session) : undefined
    if (giver !== undefined) this.#progress.solo.get(block.assembly.first)?.failed(giver.peerId)
    this.#progress.released(block, session)
  }

  /** The session gave the block: see `PieceProgress`. */
  given(block: Block, giver: { id: SessionId; peerId: string }): { others: SessionId[]; whole: Assembly | undefined } {
    return this.#progress.given(block, giver)
  }

  // what became of pieces

  /** Whether any piece is on its way from a peer's hands to the disk. */
  get isVerifying(): boolean {
    return this.#progress.isVerifying
  }

  /** Peers that gave the blocks of a piece that is verifying. */
  giversOf(piece: number): readonly string[] {
    return this.#progress.giversOf(piece)
  }

  /** The piece is held. Returns whether it was missing. */
  verified(piece: number): boolean {
    return this.#progress.verified(piece)
  }

  /** The piece did not match; it is not started again. Returns who gave its blocks, undefined if it was not verifying. */
  failed(piece: number): readonly string[] | undefined {
    return this.#progress.failed(piece)
  }

  /** The piece is held no longer, or could not be written: not started again. Returns whether it became missing. */
  lost(piece: number): boolean {
    return this.#progress.lost(piece)
  }

  // one kind of choice each

  #pickSolo(giver: Giver, now: number): Block | undefined {
    const { solo, openOnes } = this.#progress
    if (solo.size === 0) return undefined
    for (const assembly of openOnes) {
      if (!assembly.solo || (assembly.owner ?? giver.id) !== giver.id || !mayGiveAll(giver, assembly)) continue
      const state = solo.get(assembly.first)
      if (assembly.owner === undefined && state !== undefined && this.#hasBetter(giver, assembly.first, state, now))
        continue
      return this.#progress.goOn(assembly, giver.id)
    }
    for (const [piece, state] of solo) {
      if (this.stateOf(piece) !== 'notStarted' || !this.missing.has(piece) || !mayGive(giver, piece)) continue
      if (this.#hasBetter(giver, piece, state, now)) continue
      return this.#progress.begin({ first: piece, count: 1 }, giver.id, true)
    }
    return undefined
  }

  #isOpenSolo(piece: number, giver: Giver, now: number): boolean {
    const solo = this.#progress.solo.get(piece)
    if (solo === undefined || this.stateOf(piece) !== 'notStarted' || !this.missing.has(piece)) return false
    return !this.#hasBetter(giver, piece, solo, now)
  }

  /** Whether somebody can be asked for the piece who let us down with it less often, or as often and is not snubbed. */
  #hasBetter(giver: Giver, piece: number, solo: SoloPiece, now: number): boolean {
    const rank = ({ peerId, snubbed }: Giver) => 2 * solo.failuresOf(peerId) + Number(snubbed)
    const own = rank(giver)
    for (const other of this.#givers.values()) {
      if (rank(other) < own && mayGive(other, piece) && other.mayBeAsked(now)) return true
    }
    return false
  }

  #pickPriority(giver: Giver): Block | undefined {
    if (giver.peerChoking) return undefined
    for (const { first, end } of this.#ranges) {
      const fresh = this.availability.pickable.nextCommon(giver.have, first, end)
      let begun: Assembly | undefined
      for (const assembly of this.#progress.openOnes) {
        if (assembly.solo || assembly.first >= end || assembly.first + assembly.count <= first) continue
        if (!mayGiveAll(giver, assembly) || assembly.first >= (begun?.first ?? Number.POSITIVE_INFINITY)) continue
        begun = assembly
      }
      if (begun !== undefined && (fresh < 0 || begun.first < fresh)) return begun.blocks.find(isOpen)
      if (fresh < 0) continue
      const count = runForward(this.#pieces, { first: fresh, most: end }, piece => this.#isPickable(giver, piece))
      return this.#progress.begin({ first: fresh, count }, giver.id, false)
    }
    return undefined
  }

  #pickOffered(giver: Giver): Block | undefined {
    const { offeredQueue } = giver
    while (offeredQueue.length > 0) {
      const piece = offeredQueue[0] ?? 0
      if (this.#isPickable(giver, piece)) return this.#beginRun(giver, piece)
      const assembly = this.assemblyOf(piece)
      if (assembly !== undefined && mayGiveAll(giver, assembly)) {
        const late = helpable(assembly, giver.id)
        // it stays in the queue: there may be more of its blocks
        if (late !== undefined) return late
        offeredQueue.shift()
        if (assembly.open > 0 && !this.#isOthers(assembly, giver)) return this.#progress.takeOn(assembly, giver.id)
      } else offeredQueue.shift()
    }
    return undefined
  }

  /** What is asked of peers that do not offer what they have. */
  #pickUnasked(giver: Giver, now: number): Block | undefined {
    return (
      this.#pickBegun(giver, assembly => assembly.owner === undefined) ??
      this.#pickNew(giver) ??
      this.#pickBegun(giver, () => true) ??
      this.#pickAgain(giver, now)
    )
  }

  #pickBegun(giver: Giver, accepts: (assembly: Assembly) => boolean): Block | undefined {
    for (const assembly of this.#progress.openOnes) {
      if (assembly.solo || !accepts(assembly) || !mayGiveAll(giver, assembly)) continue
      return this.#progress.goOn(assembly, giver.id)
    }
    return undefined
  }

  #pickNew(giver: Giver): Block | undefined {
    if (giver.peerChoking) {
      for (const piece of giver.offered) if (this.#isPickable(giver, piece)) return this.#beginRun(giver, piece)
      return undefined
    }
    const piece =
      this.have.count < RANDOM_FIRST_PIECES
        ? this.availability.anyOf(giver.have, this.#random)
        : this.availability.rarest(giver.have, this.#random)
    return piece < 0 ? undefined : this.#beginRun(giver, piece)
  }

  /** Blocks that others were asked for and are late with. */
  #pickAgain(giver: Giver, now: number): Block | undefined {
    const endgame = this.availability.pickable.isEmpty && this.#progress.openOnes.size === 0
    if (giver.snubbed || (!endgame && this.#snubbed === 0)) return undefined
    return latestBlock(giver, { assemblies: this.#progress.assemblies(), givers: this.#givers, endgame }, now)
  }

  #beginRun(giver: Giver, piece: number): Block | undefined {
    // of one that places no more than it offered
    const accepts = (other: number) => this.#isPickable(giver, other) && (!giver.places || giver.offered.has(other))
    const run = runAround(this.#pieces, piece, accepts)
    return this.#progress.begin(run, giver.id, false)
  }

  #isPickable(giver: Giver, piece: number): boolean {
    return this.availability.pickable.has(piece) && mayGive(giver, piece)
  }
}
