/**
 * What to ask a peer for next.
 *
 * Invariant: each piece is exactly one of *have*, *verifying*, *in progress* (in an assembly), *not started*. The
 * pickable pieces of the availability are those not started that are wanted, have bytes, and are not to be fetched from
 * one peer alone.
 *
 * Order for a peer: a piece that failed before and is to come from one peer alone; what a local reader waits for; the
 * piece that the peer has begun; what it offered; pieces begun that nobody goes on with; a new piece, the first few at
 * random, then the rarest; help with pieces that others have begun; what a snubbed peer owes us; and in the endgame what
 * a slower peer owes us, each block from two peers at most.
 */
import type { Random } from '../../base/random.ts'
import type { PieceMap } from '../../content/piece-map.ts'
import { type Assembly, assemble, type Block, giversOf, isOpen, isSmall } from './assembly.ts'
import { Availability } from './availability.ts'
import { BLOCK_BYTES } from './config.ts'
import { PieceSet } from './piece-set.ts'
import type { SessionId } from './swarm-io.ts'

/** Pieces that are picked at random before rarity counts, so that there is soon something to give. */
export const RANDOM_FIRST_PIECES = 4
/** Peers that are asked for the same block in the endgame. */
export const MAX_ASKED_PER_BLOCK = 2
/** In the endgame another peer is asked only if it is expected to be so much faster. */
const ENDGAME_FACTOR = 2
const ENDGAME_SLACK_MS = 250
/** Ranges that a reader may name. */
export const MAX_PRIORITY_RANGES = 64

/** A peer as the picker sees it. */
export interface Giver {
  readonly id: SessionId
  readonly peerId: string
  readonly have: PieceSet
  /** Holds everything, and so is not counted in the availability. */
  readonly countsAsSeeder: boolean
  /** Gives only what it offered. */
  readonly peerChoking: boolean
  readonly snubbed: boolean
  /** Pieces that it offered or suggested, in its order; the picker removes what it has no use for. */
  readonly offeredQueue: number[]
  /** Pieces that it offered. */
  readonly offered: ReadonlySet<number>
  /** Estimated time until it has given all that it was asked for, ms. */
  expectedMs(now: number): number
}

export type PieceState = 'have' | 'verifying' | 'inProgress' | 'notStarted'

export class Picker {
  readonly #pieces: PieceMap
  readonly #random: Random
  readonly #availability: Availability
  readonly #have: PieceSet
  /** Wanted and not held. */
  readonly #missing: PieceSet
  readonly #verifying = new Map<number, readonly string[]>()
  readonly #inProgress = new Map<number, Assembly>()
  /** Assemblies with open blocks. At most one of each owner. */
  readonly #openOnes = new Set<Assembly>()
  /** Pieces to be fetched from one peer alone, with the peers that should not be it. */
  readonly #solo = new Map<number, ReadonlySet<string>>()
  readonly #givers = new Map<SessionId, Giver>()
  #wanted: PieceSet
  #ranges: ReadonlyArray<{ first: number; end: number }> = []
  #snubbed = 0

  /** @param have copied */
  constructor(pieces: PieceMap, have: PieceSet, random: Random) {
    this.#pieces = pieces
    this.#random = random
    this.#availability = new Availability(pieces.count)
    this.#have = new PieceSet(pieces.count)
    this.#missing = PieceSet.full(pieces.count)
    this.#wanted = PieceSet.full(pieces.count)
    for (const piece of have.ones()) {
      this.#have.add(piece)
      this.#missing.delete(piece)
    }
    for (const piece of this.#missing.ones()) this.#updatePickable(piece)
  }

  /** Do not change it. */
  get have(): PieceSet {
    return this.#have
  }

  /** Wanted and not held. Do not change it. */
  get missing(): PieceSet {
    return this.#missing
  }

  get availability(): Availability {
    return this.#availability
  }

  stateOf(piece: number): PieceState {
    if (this.#have.has(piece)) return 'have'
    if (this.#verifying.has(piece)) return 'verifying'
    return this.#inProgress.has(piece) ? 'inProgress' : 'notStarted'
  }

  // peers

  join(giver: Giver): void {
    this.#givers.set(giver.id, giver)
    if (!giver.countsAsSeeder) for (const piece of giver.have.ones()) this.#availability.increment(piece)
    if (giver.snubbed) this.#snubbed += 1
  }

  /** Its blocks must have been released. */
  leave(giver: Giver): void {
    if (!this.#givers.delete(giver.id)) return
    if (!giver.countsAsSeeder) for (const piece of giver.have.ones()) this.#availability.decrement(piece)
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
    for (const assembly of this.#openOnes) if (assembly.owner === session) assembly.owner = undefined
  }

  // what is wanted

  /** Pieces that a reader wants first, in the order given. With `onlyThese` nothing else is wanted. */
  prioritise(ranges: ReadonlyArray<{ first: number; end: number }>, onlyThese: boolean): void {
    this.#ranges = ranges.slice(0, MAX_PRIORITY_RANGES)
    const wanted = onlyThese ? new PieceSet(this.#pieces.count) : PieceSet.full(this.#pieces.count)
    if (onlyThese) for (const { first, end } of ranges) wanted.addRange(first, end)
    this.#wanted = wanted
    for (let piece = 0; piece < this.#pieces.count; piece++) {
      if (wanted.has(piece) && !this.#have.has(piece)) this.#missing.add(piece)
      else this.#missing.delete(piece)
      this.#updatePickable(piece)
    }
  }

  /** Pieces without bytes that are wanted: they need no peer. They are verifying from here on. */
  takeEmpty(): number[] {
    const empty: number[] = []
    for (const piece of this.#missing.ones()) {
      if (this.#pieces.wireSize(piece) > 0 || this.stateOf(piece) !== 'notStarted') continue
      this.#verifying.set(piece, [])
      empty.push(piece)
    }
    return empty
  }

  // picking

  /** A block to ask the giver for, or undefined. The caller asks and says so with `asked`. */
  pick(giver: Giver, now: number): Block | undefined {
    return (
      this.#pickSolo(giver) ??
      this.#pickPriority(giver) ??
      this.#pickBegun(giver, assembly => assembly.owner === giver.id) ??
      this.#pickOffered(giver) ??
      this.#pickBegun(giver, assembly => assembly.owner === undefined) ??
      this.#pickNew(giver) ??
      this.#pickBegun(giver, () => true) ??
      this.#pickAgain(giver, now)
    )
  }

  asked(block: Block, session: SessionId): void {
    if (isOpen(block)) this.#setOpen(block.assembly, block.assembly.open - 1)
    block.asked.push(session)
  }

  /** The session will not give the block: rejected, cancelled, or gone. */
  released(block: Block, session: SessionId): void {
    const at = block.asked.indexOf(session)
    if (at < 0) return
    block.asked.splice(at, 1)
    const { assembly } = block
    if (block.givenBy !== undefined || block.asked.length > 0) return
    this.#setOpen(assembly, assembly.open + 1)
    if (assembly.owner === session) assembly.owner = undefined
    if (assembly.open === assembly.blocks.length) this.#dissolve(assembly)
  }

  /**
   * The session gave the block. `others` were asked for it too and should be told to stop; `whole` is the assembly when
   * this was its last block: its pieces are verifying now.
   */
  given(block: Block, giver: { id: SessionId; peerId: string }): { others: SessionId[]; whole: Assembly | undefined } {
    const others = block.asked.filter(session => session !== giver.id)
    block.asked.length = 0
    if (block.givenBy !== undefined) return { others, whole: undefined }
    block.givenBy = giver.peerId
    const { assembly } = block
    assembly.missing -= 1
    if (assembly.missing > 0) return { others, whole: undefined }
    const givers = giversOf(assembly)
    for (let piece = assembly.first; piece < assembly.first + assembly.count; piece++) {
      if (this.#inProgress.get(piece) !== assembly) continue
      this.#inProgress.delete(piece)
      this.#verifying.set(piece, givers)
    }
    return { others, whole: assembly }
  }

  // what became of pieces

  /** The piece is held. Returns whether it was missing. */
  verified(piece: number): boolean {
    this.#verifying.delete(piece)
    // had from elsewhere while it was in progress: its assembly only runs out
    this.#inProgress.delete(piece)
    this.#solo.delete(piece)
    this.#have.add(piece)
    const wasMissing = this.#missing.delete(piece)
    this.#updatePickable(piece)
    return wasMissing
  }

  /** The piece did not match; it is not started again. Returns who gave its blocks, undefined if it was not verifying. */
  failed(piece: number): readonly string[] | undefined {
    const givers = this.#verifying.get(piece)
    // one without bytes cannot come out any better from anybody: it stays as it is
    if (givers === undefined || this.#pieces.wireSize(piece) === 0) return undefined
    this.#verifying.delete(piece)
    this.#solo.set(piece, new Set([...givers, ...(this.#solo.get(piece) ?? [])]))
    this.#updatePickable(piece)
    return givers
  }

  /** The piece is held no longer, or could not be written: not started again. Returns whether it became missing. */
  lost(piece: number): boolean {
    this.#verifying.delete(piece)
    this.#have.delete(piece)
    const missing = this.#wanted.has(piece) && this.#missing.add(piece)
    this.#updatePickable(piece)
    return missing
  }

  // one kind of choice each

  #pickSolo(giver: Giver): Block | undefined {
    if (this.#solo.size === 0) return undefined
    for (const assembly of this.#openOnes) {
      if (!assembly.solo || (assembly.owner ?? giver.id) !== giver.id || !this.#gives(giver, assembly)) continue
      assembly.owner = giver.id
      return assembly.blocks.find(isOpen)
    }
    for (const [piece, suspects] of this.#solo) {
      if (this.stateOf(piece) !== 'notStarted' || !this.#missing.has(piece) || !mayGive(giver, piece)) continue
      if (suspects.has(giver.peerId) && this.#hasOtherGiver(piece, suspects)) continue
      return this.#begin(giver, piece, 1, true)
    }
    return undefined
  }

  #hasOtherGiver(piece: number, suspects: ReadonlySet<string>): boolean {
    for (const giver of this.#givers.values()) {
      if (!suspects.has(giver.peerId) && !giver.snubbed && mayGive(giver, piece)) return true
    }
    return false
  }

  #pickPriority(giver: Giver): Block | undefined {
    if (giver.peerChoking) return undefined
    for (const { first, end } of this.#ranges) {
      const fresh = this.#availability.pickable.nextCommon(giver.have, first, end)
      let begun: Assembly | undefined
      for (const assembly of this.#openOnes) {
        if (assembly.solo || assembly.first >= end || assembly.first + assembly.count <= first) continue
        if (!this.#gives(giver, assembly) || assembly.first >= (begun?.first ?? Number.POSITIVE_INFINITY)) continue
        begun = assembly
      }
      if (begun !== undefined && (fresh < 0 || begun.first < fresh)) return begun.blocks.find(isOpen)
      if (fresh >= 0) return this.#begin(giver, fresh, this.#runForward(giver, fresh, end))
    }
    return undefined
  }

  #pickOffered(giver: Giver): Block | undefined {
    const { offeredQueue } = giver
    while (offeredQueue.length > 0) {
      const piece = offeredQueue[0] ?? 0
      if (this.#isPickable(giver, piece)) return this.#beginRun(giver, piece)
      offeredQueue.shift()
    }
    return undefined
  }

  #pickBegun(giver: Giver, accepts: (assembly: Assembly) => boolean): Block | undefined {
    for (const assembly of this.#openOnes) {
      if (assembly.solo || !accepts(assembly) || !this.#gives(giver, assembly)) continue
      assembly.owner ??= giver.id
      return assembly.blocks.find(isOpen)
    }
    return undefined
  }

  #pickNew(giver: Giver): Block | undefined {
    if (giver.peerChoking) {
      for (const piece of giver.offered) if (this.#isPickable(giver, piece)) return this.#beginRun(giver, piece)
      return undefined
    }
    const piece =
      this.#have.count < RANDOM_FIRST_PIECES
        ? this.#availability.anyOf(giver.have, this.#random)
        : this.#availability.rarest(giver.have, this.#random)
    return piece < 0 ? undefined : this.#beginRun(giver, piece)
  }

  /** Blocks that others were asked for and are late with. */
  #pickAgain(giver: Giver, now: number): Block | undefined {
    const endgame = this.#availability.pickable.isEmpty && this.#openOnes.size === 0
    if (giver.snubbed || (!endgame && this.#snubbed === 0)) return undefined
    const mine = giver.expectedMs(now) * ENDGAME_FACTOR + ENDGAME_SLACK_MS
    let slowest: Block | undefined
    let slowestMs = mine
    for (const assembly of new Set(this.#inProgress.values())) {
      if (assembly.solo || !this.#gives(giver, assembly)) continue
      for (const block of assembly.blocks) {
        if (block.givenBy !== undefined || block.asked.includes(giver.id)) continue
        const owed = this.#owedMs(block, now)
        if (owed === undefined || (!endgame && owed !== Number.POSITIVE_INFINITY)) continue
        if (owed <= slowestMs) continue
        slowest = block
        slowestMs = owed
      }
    }
    return slowest
  }

  /** When the block is expected: infinite when only snubbed peers were asked; undefined when enough others were. */
  #owedMs(block: Block, now: number): number | undefined {
    let soonest = Number.POSITIVE_INFINITY
    let asked = 0
    for (const session of block.asked) {
      const giver = this.#givers.get(session)
      if (giver === undefined || giver.snubbed) continue
      asked += 1
      soonest = Math.min(soonest, giver.expectedMs(now))
    }
    return asked >= MAX_ASKED_PER_BLOCK ? undefined : soonest
  }

  // beginning

  #begin(giver: Giver, first: number, count: number, solo = false): Block | undefined {
    const assembly = assemble(this.#pieces, first, count, giver.id, solo)
    for (let piece = first; piece < first + count; piece++) {
      this.#inProgress.set(piece, assembly)
      this.#updatePickable(piece)
    }
    this.#openOnes.add(assembly)
    return assembly.blocks[0]
  }

  /** The piece, and where it is small those around it that can come with the same request. */
  #beginRun(giver: Giver, piece: number): Block | undefined {
    let end = piece + this.#runForward(giver, piece, this.#pieces.count)
    let first = piece
    if (isSmall(this.#pieces, piece)) {
      const limit = this.#pieces.offset(end) - BLOCK_BYTES
      while (first > 0 && this.#pieces.offset(first - 1) >= limit && this.#isPickable(giver, first - 1)) first -= 1
    }
    if (end <= piece) end = piece + 1
    return this.#begin(giver, first, end - first)
  }

  /** How many pieces from `first` on make one request; at least 1. */
  #runForward(giver: Giver, first: number, most: number): number {
    const limit = this.#pieces.offset(first) + BLOCK_BYTES
    let end = first + 1
    while (end < most && this.#pieces.offset(end + 1) <= limit && this.#isPickable(giver, end)) end += 1
    return end - first
  }

  #isPickable(giver: Giver, piece: number): boolean {
    return this.#availability.pickable.has(piece) && mayGive(giver, piece)
  }

  #gives(giver: Giver, assembly: Assembly): boolean {
    for (let piece = assembly.first; piece < assembly.first + assembly.count; piece++) {
      if (!mayGive(giver, piece)) return false
    }
    return true
  }

  // bookkeeping

  #setOpen(assembly: Assembly, open: number): void {
    assembly.open = open
    if (open > 0) this.#openOnes.add(assembly)
    else this.#openOnes.delete(assembly)
  }

  #dissolve(assembly: Assembly): void {
    this.#openOnes.delete(assembly)
    for (let piece = assembly.first; piece < assembly.first + assembly.count; piece++) {
      if (this.#inProgress.get(piece) === assembly) this.#inProgress.delete(piece)
      this.#updatePickable(piece)
    }
  }

  #updatePickable(piece: number): void {
    const pickable =
      this.#missing.has(piece) &&
      !this.#inProgress.has(piece) &&
      !this.#verifying.has(piece) &&
      !this.#solo.has(piece) &&
      this.#pieces.wireSize(piece) > 0
    this.#availability.setPickable(piece, pickable)
  }
}

function mayGive(giver: Giver, piece: number): boolean {
  return giver.have.has(piece) && (!giver.peerChoking || giver.offered.has(piece))
}
