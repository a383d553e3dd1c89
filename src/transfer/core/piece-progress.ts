/**
 * How far each piece has come, from not started to held, and which pieces may be picked next.
 *
 * Invariant: each piece is exactly one of *have*, *verifying*, *in progress* (in an assembly), *not started*. The
 * pickable pieces of the availability are those not started that are wanted, have bytes, and are not to be fetched from
 * one peer alone.
 */
import type { PieceMap } from '../../content/piece-map.ts'
import { type Assembly, assemble, type Block, giversOf, isOpen } from './assembly.ts'
import { Availability } from './availability.ts'
import { PieceSet } from './piece-set.ts'
import { SoloPiece } from './solo-piece.ts'
import type { SessionId } from './swarm-io.ts'

export type PieceState = 'have' | 'verifying' | 'inProgress' | 'notStarted'

export class PieceProgress {
  /** Do not change it. */
  readonly have: PieceSet
  /** Wanted and not held. Do not change it. */
  readonly missing: PieceSet
  readonly availability: Availability
  readonly #pieces: PieceMap
  /** With the peers that gave its blocks. */
  readonly #verifying = new Map<number, readonly string[]>()
  readonly #inProgress = new Map<number, Assembly>()
  readonly #openOnes = new Set<Assembly>()
  readonly #solo = new Map<number, SoloPiece>()
  /** Pieces without bytes. */
  readonly #empty: number[] = []
  #wanted: PieceSet

  /** @param have copied */
  constructor(pieces: PieceMap, have: PieceSet) {
    this.#pieces = pieces
    this.availability = new Availability(pieces.count)
    this.have = new PieceSet(pieces.count)
    this.missing = PieceSet.full(pieces.count)
    this.#wanted = PieceSet.full(pieces.count)
    for (const piece of have.ones()) {
      this.have.add(piece)
      this.missing.delete(piece)
    }
    for (let piece = 0; piece < pieces.count; piece++) {
      if (pieces.wireSize(piece) === 0) this.#empty.push(piece)
      this.#updatePickable(piece)
    }
  }

  stateOf(piece: number): PieceState {
    if (this.have.has(piece)) return 'have'
    if (this.#verifying.has(piece)) return 'verifying'
    return this.#inProgress.has(piece) ? 'inProgress' : 'notStarted'
  }

  /** Assemblies with open blocks. At most one of each owner. */
  get openOnes(): ReadonlySet<Assembly> {
    return this.#openOnes
  }

  assemblyOf(piece: number): Assembly | undefined {
    return this.#inProgress.get(piece)
  }

  /** All assemblies, those begun first before the others. */
  assemblies(): ReadonlySet<Assembly> {
    return new Set(this.#inProgress.values())
  }

  /** Pieces to be fetched from one peer alone. */
  get solo(): ReadonlyMap<number, SoloPiece> {
    return this.#solo
  }

  // what is wanted

  /** @param ranges nothing else is wanted; undefined: everything is */
  want(ranges: ReadonlyArray<{ first: number; end: number }> | undefined): void {
    const wanted = ranges === undefined ? PieceSet.full(this.#pieces.count) : new PieceSet(this.#pieces.count)
    for (const { first, end } of ranges ?? []) wanted.addRange(first, end)
    // readers of large roots want something else hundreds of times a second, and each time nearly the same
    const changed = wanted.differing(this.#wanted)
    this.#wanted = wanted
    for (const piece of changed.ones()) {
      if (wanted.has(piece) && !this.have.has(piece)) this.missing.add(piece)
      else this.missing.delete(piece)
      this.#updatePickable(piece)
    }
  }

  /** Pieces without bytes that are wanted: they need no peer. They are verifying from here on. */
  takeEmpty(): number[] {
    const empty: number[] = []
    for (const piece of this.#empty) {
      if (!this.missing.has(piece) || this.stateOf(piece) !== 'notStarted') continue
      this.#verifying.set(piece, [])
      empty.push(piece)
    }
    return empty
  }

  // what is asked for

  /** Begins pieces that are not started. Returns the first block of them. */
  begin(run: { first: number; count: number }, owner: SessionId, solo: boolean): Block | undefined {
    const { first, count } = run
    const assembly = assemble(this.#pieces, first, count, owner, solo)
    for (let piece = first; piece < first + count; piece++) {
      this.#inProgress.set(piece, assembly)
      this.#updatePickable(piece)
    }
    this.#openOnes.add(assembly)
    return assembly.blocks[0]
  }

  /** Goes on with an assembly; it is the session's from here on, where it is nobody's. */
  goOn(assembly: Assembly, session: SessionId): Block | undefined {
    assembly.owner ??= session
    return assembly.blocks.find(isOpen)
  }

  /** Goes on with an assembly; it is the session's from here on. */
  takeOn(assembly: Assembly, session: SessionId): Block | undefined {
    assembly.owner = session
    return this.goOn(assembly, session)
  }

  /** Others may go on with what the session has begun. */
  disown(session: SessionId): void {
    for (const assembly of this.#openOnes) if (assembly.owner === session) assembly.owner = undefined
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
    // also where another was asked for the same block: when that one fails too, nobody goes on
    if (assembly.owner === session) assembly.owner = undefined
    if (block.givenBy !== undefined || block.asked.length > 0) return
    this.#setOpen(assembly, assembly.open + 1)
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

  get isVerifying(): boolean {
    return this.#verifying.size > 0
  }

  /** Peers that gave the blocks of a piece that is verifying. */
  giversOf(piece: number): readonly string[] {
    return this.#verifying.get(piece) ?? []
  }

  /** The piece is held. Returns whether it was missing. */
  verified(piece: number): boolean {
    this.#verifying.delete(piece)
    // had from elsewhere while it was in progress: its assembly only runs out
    this.#inProgress.delete(piece)
    this.#solo.delete(piece)
    this.have.add(piece)
    const wasMissing = this.missing.delete(piece)
    this.#updatePickable(piece)
    return wasMissing
  }

  /** The piece did not match; it is not started again. Returns who gave its blocks, undefined if it was not verifying. */
  failed(piece: number): readonly string[] | undefined {
    const givers = this.#verifying.get(piece)
    // one without bytes cannot come out any better from anybody: it stays as it is
    if (givers === undefined || this.#pieces.wireSize(piece) === 0) return undefined
    this.#verifying.delete(piece)
    const solo = this.#solo.get(piece) ?? new SoloPiece()
    this.#solo.set(piece, solo)
    for (const peerId of givers) solo.failed(peerId)
    this.#updatePickable(piece)
    return givers
  }

  /** The piece is held no longer, or could not be written: not started again. Returns whether it became missing. */
  lost(piece: number): boolean {
    this.#verifying.delete(piece)
    this.have.delete(piece)
    const missing = this.#wanted.has(piece) && this.missing.add(piece)
    this.#updatePickable(piece)
    return missing
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
      this.missing.has(piece) &&
      !this.#inProgress.has(piece) &&
      !this.#verifying.has(piece) &&
      !this.#solo.has(piece) &&
      this.#pieces.wireSize(piece) > 0
    this.availability.setPickable(piece, pickable)
  }
}
