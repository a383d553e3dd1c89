/**
 * Which pieces of a root are held, and how durably (docs/store.md, "What is durable, and when").
 *
 * Invariant: a `have` record holds no bit that was not recorded, and a piece is recorded only after fdatasync of every
 * file that it lies in.
 */
import type { Logger } from '../../base/log.ts'
import type { Bitfield } from '../bitfield.ts'
import type { Manifest } from '../manifest.ts'
import type { Database, RecordOp } from './database.ts'
import { Envelopes } from './envelopes.ts'
import { PieceBits } from './piece-bits.ts'
import { Recorder } from './recorder.ts'
import type { Envelope } from './records.ts'

export interface LedgerInit {
  readonly db: Database
  readonly id: number
  readonly manifest: Manifest
  /** fdatasync of the file of an entry. */
  readonly sync: (entry: number) => Promise<void>
  /** Makes the names of files durable that were made for the pieces. */
  readonly syncNames: () => Promise<void>
  /** The same of many small files. Returns what failed, by entry. */
  readonly syncSmall: (entries: readonly number[]) => Promise<ReadonlyMap<number, unknown>>
  readonly syncBatch: (waiting: number) => number
  /** Hashes the pieces again and writes them again. Returns those that do not match any more. */
  readonly rewrite: (pieces: readonly number[]) => Promise<number[]>
  /** The root's own record, written along with its bits. */
  readonly rootOps: () => RecordOp[]
  readonly log: Logger
}

export class PieceLedger {
  readonly #db: Database
  readonly #bits: PieceBits
  readonly #envelopes: Envelopes
  readonly #recorder: Recorder

  constructor(init: LedgerInit) {
    this.#db = init.db
    this.#bits = new PieceBits(init.id, init.manifest)
    this.#envelopes = new Envelopes(init.db, init.id)
    this.#recorder = new Recorder({ ...init, bits: this.#bits, envelopes: this.#envelopes })
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
    await this.#bits.load(this.#db)
  }

  /**
   * Not believed from now on, until they were hashed. Resolves when that is durable: what is done to their files next may
   * be cut short.
   */
  async doubt(pieces: readonly number[]): Promise<void> {
    for (const piece of pieces) this.#bits.doubt(piece)
    await this.#recorder.write(() => this.#bits.ops(pieces))
  }

  /** Every piece may be there: all are to be hashed. */
  suspectAll(): void {
    for (let piece = 0; piece < this.have.length; piece++) if (!this.have.has(piece)) this.#bits.doubt(piece)
  }

  /** The files are not there: nothing is held. The records stay as they are. */
  forget(): void {
    for (const piece of [...this.have.ones(), ...this.unrecorded.ones()]) this.#bits.withdraw(piece)
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
    await this.#recorder.wrote(
      pieces.filter(piece => this.#bits.write(piece)),
      entries,
      bytes
    )
  }

  /** Pieces that were to be hashed and do not match. */
  disproved(pieces: Iterable<number>): void {
    for (const piece of pieces) this.#bits.disprove(piece)
    this.#recorder.schedule()
  }

  /** Held pieces that match nowhere any more. Resolves when that is durable. */
  async withdraw(pieces: readonly number[], ops: readonly RecordOp[] = []): Promise<void> {
    for (const piece of pieces) this.#bits.withdraw(piece)
    await this.#recorder.write(() => [...this.#bits.ops(pieces), ...ops])
  }

  /** The envelopes of dag-pb leaves; undefined for those that are lost. */
  async envelopes(pieces: readonly number[]): Promise<Map<number, Envelope | undefined>> {
    return await this.#envelopes.get(pieces)
  }

  /** Throws what the recorder ran into in the background, once. */
  throwFailure(): void {
    this.#recorder.throwFailure()
  }

  /**
   * Syncs and records what was written before the call: everything, or as many small files as that time allows.
   * What is left over then is known as written, and hashed after the next start.
   * @throws ERR_IO, ERR_NO_SPACE, …; the call may be repeated once the disk works again
   */
  async flush(options: { withinMs?: number } = {}): Promise<void> {
    await this.#recorder.flush(options)
  }

  /** Nothing is written from here on: the root was removed. Waits for what is under way. */
  async drop(): Promise<void> {
    await this.#recorder.drop()
  }
}
