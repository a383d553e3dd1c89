/**
 * Which pieces of a root are held, and how durably (docs/store.md, "What is durable, and when").
 *
 * Invariant: a `have` record holds no bit that was not recorded, and a piece is recorded only after fdatasync of every
 * file that it lies in.
 */
import { ShoalError } from '../../base/errors.ts'
import type { Logger } from '../../base/log.ts'
import { MIB } from '../../base/units.ts'
import type { Bitfield } from '../bitfield.ts'
import type { Manifest } from '../manifest.ts'
import type { Database, RecordOp } from './database.ts'
import { Envelopes } from './envelopes.ts'
import { PieceBits } from './piece-bits.ts'
import type { Envelope } from './records.ts'

/** After so long a written piece is known to LevelDB, so that `kill -9` costs only hashing it. */
const WRITTEN_DELAY_MS = 250
/** After so long, or so many bytes, written pieces are synced and recorded. */
const RECORD_DELAY_MS = 1000
const RECORD_BYTES = 64 * MIB
/** A writer waits for the recorder when this much is behind: a slow disk must not let it grow. */
const MAX_BEHIND_BYTES = 2 * RECORD_BYTES

export interface LedgerInit {
  readonly db: Database
  readonly id: number
  readonly manifest: Manifest
  /** fdatasync of the files of these entries. */
  readonly sync: (entries: ReadonlySet<number>) => Promise<void>
  /** The root's own record, written along with its bits. */
  readonly rootOps: () => RecordOp[]
  readonly log: Logger
}

export class PieceLedger {
  readonly #init: LedgerInit
  readonly #bits: PieceBits
  readonly #envelopes: Envelopes
  #fresh: number[] = []
  #freshEntries = new Set<number>()
  #freshBytes = 0
  #writtenTimer: NodeJS.Timeout | undefined
  #recordTimer: NodeJS.Timeout | undefined
  #queue: Promise<void> = Promise.resolve()
  #failure: Error | undefined
  #dropped = false

  constructor(init: LedgerInit) {
    this.#init = init
    this.#bits = new PieceBits(init.id, init.manifest)
    this.#envelopes = new Envelopes(init.db, init.id)
  }

  get have(): Bitfield {
    return this.#bits.have
  }

  /** Written in an earlier life, or by someone else: to be hashed before they count. */
  get unrecorded(): Bitfield {
    return this.#bits.unrecorded
  }

  /** Bytes of file content that are held, duplicates counted as often as they occur. */
  get heldBytes(): number {
    return this.#bits.heldBytes
  }

  get isRecorded(): boolean {
    return this.#bits.allRecorded
  }

  /** Reads the records. Pieces of damaged ones count as written. */
  async load(): Promise<void> {
    await this.#bits.load(this.#init.db)
  }

  /** Nothing recorded is believed: the files may be elsewhere or not ours. */
  doubtAll(): void {
    for (const piece of [...this.have.ones()]) this.#bits.doubt(piece)
  }

  /** Every piece may be there: all are to be hashed. */
  suspectAll(): void {
    for (let piece = 0; piece < this.have.length; piece++) if (!this.have.has(piece)) this.#bits.doubt(piece)
  }

  /** The files are gone: nothing is held, in the records neither. */
  async clear(): Promise<void> {
    await this.withdraw([...this.have.ones(), ...this.unrecorded.ones()])
  }

  /** All pieces at once, files known to be as hashed (a share): the ops that record it. */
  fillOps(): RecordOp[] {
    for (let piece = 0; piece < this.have.length; piece++) this.#bits.trust(piece)
    return this.#bits.ops(this.have.ones())
  }

  /**
   * Pieces that match and whose bytes are in the page cache of the files of `entries`. They count as held at once.
   * Resolves at once too, unless the recorder is far behind.
   */
  async wrote(
    pieces: readonly number[],
    entries: Iterable<number>,
    bytes: number,
    envelopes: ReadonlyMap<number, Envelope> = new Map()
  ): Promise<void> {
    this.#envelopes.add(envelopes)
    for (const piece of pieces) if (this.#bits.write(piece)) this.#fresh.push(piece)
    for (const entry of entries) this.#freshEntries.add(entry)
    this.#freshBytes += bytes
    this.#schedule()
    if (this.#freshBytes > MAX_BEHIND_BYTES) await this.flush()
  }

  /** Pieces that were to be hashed and do not match. */
  disproved(pieces: Iterable<number>): void {
    for (const piece of pieces) this.#bits.disprove(piece)
    this.#schedule()
  }

  /** Held pieces that match nowhere any more. Resolves when that is durable. */
  async withdraw(pieces: readonly number[], ops: readonly RecordOp[] = []): Promise<void> {
    for (const piece of pieces) this.#bits.withdraw(piece)
    await this.#inTurn(() => this.#write([...this.#bits.ops(pieces), ...ops]))
  }

  /** The envelopes of dag-pb leaves; undefined for those that are lost. */
  async envelopes(pieces: readonly number[]): Promise<Map<number, Envelope | undefined>> {
    return await this.#envelopes.get(pieces)
  }

  /** Throws what the recorder ran into in the background, once. */
  throwFailure(): void {
    const failure = this.#failure
    this.#failure = undefined
    if (failure !== undefined) throw failure
  }

  /** Syncs and records everything that was written before the call. */
  async flush(): Promise<void> {
    await this.#inTurn(() => this.#record())
  }

  /** Nothing is written from here on: the root was removed. Waits for what is under way. */
  async drop(): Promise<void> {
    this.#dropped = true
    this.#stopTimers()
    await this.#queue
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const turn = this.#queue.then(work)
    this.#queue = turn.catch(() => {})
    return turn
  }

  #schedule(): void {
    if (this.#dropped) return
    this.#writtenTimer ??= this.#later(WRITTEN_DELAY_MS, () => this.#noteWritten())
    if (this.#fresh.length === 0) return
    if (this.#freshBytes >= RECORD_BYTES && this.#recordTimer !== undefined) {
      clearTimeout(this.#recordTimer)
      this.#recordTimer = undefined
    }
    this.#recordTimer ??= this.#later(this.#freshBytes >= RECORD_BYTES ? 0 : RECORD_DELAY_MS, () => this.#record())
  }

  #later(delayMs: number, work: () => Promise<void>): NodeJS.Timeout {
    return setTimeout(() => {
      this.#inTurn(work).catch(err => {
        this.#failure = err instanceof Error ? err : new ShoalError('ERR_BUG', String(err))
        this.#init.log.error('recording pieces failed: %s', this.#failure.message)
      })
    }, delayMs).unref()
  }

  #stopTimers(): void {
    clearTimeout(this.#writtenTimer)
    clearTimeout(this.#recordTimer)
    this.#writtenTimer = undefined
    this.#recordTimer = undefined
  }

  /** Not synced: LevelDB's log keeps its order. */
  async #noteWritten(): Promise<void> {
    this.#writtenTimer = undefined
    const { ops, written } = this.#envelopes.pending()
    ops.push(...this.#bits.takeWrittenOps())
    if (this.#dropped) return
    await this.#init.db.write(ops, { sync: false })
    written()
  }

  async #record(): Promise<void> {
    this.#stopTimers()
    const pieces = this.#fresh
    const entries = this.#freshEntries
    this.#fresh = []
    this.#freshEntries = new Set()
    this.#freshBytes = 0
    await this.#noteWritten()
    if (pieces.length === 0) return
    // Where this fails the pieces stay `written`: a second fsync may succeed without the bytes being on the disk.
    await this.#init.sync(entries)
    const still = pieces.filter(piece => this.have.has(piece))
    for (const piece of still) this.#bits.record(piece)
    await this.#write([...this.#bits.ops(still), ...this.#init.rootOps()])
  }

  async #write(ops: readonly RecordOp[]): Promise<void> {
    if (!this.#dropped) await this.#init.db.write(ops, { sync: true })
  }
}
