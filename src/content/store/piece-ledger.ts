/**
 * Which pieces of a root are held, and how durably (docs/store.md, "What is durable, and when").
 *
 * Invariant: `#recorded` ⊆ `have`; `#written` = (`have` − `#recorded`) ∪ `unrecorded`; `have` and `unrecorded` are
 * disjoint. `have/` records hold no bit that is not in `#recorded`, and a bit enters `#recorded` only after fdatasync of
 * every file that the piece lies in.
 */
import { ShoalError } from '../../base/errors.ts'
import type { Logger } from '../../base/log.ts'
import { MIB } from '../../base/units.ts'
import { Bitfield } from '../bitfield.ts'
import type { Manifest } from '../manifest.ts'
import type { Database, RecordOp } from './database.ts'
import {
  decodeBits,
  decodeEnvelope,
  type Envelope,
  encodeBits,
  encodeEnvelope,
  envKey,
  haveKey,
  kindPrefix,
  PIECES_PER_RECORD,
  parseKey,
  writtenKey
} from './records.ts'

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
  readonly have: Bitfield
  /** Written in an earlier life, or by someone else: to be hashed before they count. */
  readonly unrecorded: Bitfield
  readonly #init: LedgerInit
  readonly #recorded: Bitfield
  readonly #written: Bitfield
  readonly #envelopes = new Map<number, Envelope>()
  #dirtyChunks = new Set<number>()
  #fresh: number[] = []
  #freshEntries = new Set<number>()
  #freshBytes = 0
  #heldBytes = 0
  #writtenTimer: NodeJS.Timeout | undefined
  #recordTimer: NodeJS.Timeout | undefined
  #queue: Promise<void> = Promise.resolve()
  #failure: Error | undefined
  #dropped = false

  constructor(init: LedgerInit) {
    const count = init.manifest.pieces.count
    this.#init = init
    this.have = new Bitfield(count)
    this.unrecorded = new Bitfield(count)
    this.#recorded = new Bitfield(count)
    this.#written = new Bitfield(count)
    for (const inline of init.manifest.inline) this.#heldBytes += inline.length
  }

  /** Bytes of file content that are held, duplicates counted as often as they occur. */
  get heldBytes(): number {
    return this.#heldBytes
  }

  get isRecorded(): boolean {
    return this.#recorded.isFull
  }

  /** Reads the records. Pieces of damaged ones count as written. */
  async load(): Promise<void> {
    const { db, id } = this.#init
    for (const kind of ['have', 'written'] as const) {
      const found = new Bitfield(this.have.length)
      for await (const { key, value } of db.entries(kindPrefix(kind, id))) {
        const chunk = parseKey(key)?.index ?? -1
        if (chunk >= 0 && value !== 'damaged' && decodeBits(value, chunk, found)) continue
        const first = Math.max(0, chunk) * PIECES_PER_RECORD
        for (let piece = first; piece < first + PIECES_PER_RECORD; piece++) this.#doubt(piece)
      }
      for (const piece of found.ones()) {
        if (kind === 'written') this.#doubt(piece)
        else this.#trust(piece)
      }
    }
  }

  /** Nothing recorded is believed: the files may be elsewhere or not ours. */
  doubtAll(): void {
    for (const piece of [...this.have.ones()]) this.#doubt(piece)
  }

  /** Every piece may be there: all are to be hashed. */
  suspectAll(): void {
    for (let piece = 0; piece < this.have.length; piece++) if (!this.have.has(piece)) this.#doubt(piece)
  }

  /** The files are gone: nothing is held, in the records neither. */
  async clear(): Promise<void> {
    await this.withdraw([...this.have.ones(), ...this.unrecorded.ones()])
  }

  /** All pieces at once, files known to be as hashed (a share): the ops that record it. */
  fillOps(): RecordOp[] {
    for (let piece = 0; piece < this.have.length; piece++) this.#trust(piece)
    return this.#chunkOps(this.#chunksOf(this.have.ones()))
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
    for (const [piece, envelope] of envelopes) this.#envelopes.set(piece, envelope)
    for (const piece of pieces) {
      this.unrecorded.delete(piece)
      if (this.have.add(piece)) this.#heldBytes += this.#contentBytes(piece)
      if (this.#recorded.has(piece)) continue
      this.#written.add(piece)
      this.#dirtyChunks.add(chunkOf(piece))
      this.#fresh.push(piece)
    }
    for (const entry of entries) this.#freshEntries.add(entry)
    this.#freshBytes += bytes
    this.#schedule()
    if (this.#freshBytes > MAX_BEHIND_BYTES) await this.flush()
  }

  /** Pieces that were to be hashed and do not match. */
  disproved(pieces: Iterable<number>): void {
    for (const piece of pieces) {
      if (!this.unrecorded.delete(piece)) continue
      this.#written.delete(piece)
      this.#dirtyChunks.add(chunkOf(piece))
    }
    this.#schedule()
  }

  /** Held pieces that match nowhere any more. Resolves when that is durable. */
  async withdraw(pieces: readonly number[], ops: readonly RecordOp[] = []): Promise<void> {
    for (const piece of pieces) {
      if (this.have.delete(piece)) this.#heldBytes -= this.#contentBytes(piece)
      this.unrecorded.delete(piece)
      this.#recorded.delete(piece)
      this.#written.delete(piece)
    }
    await this.#inTurn(() => this.#write([...this.#chunkOps(this.#chunksOf(pieces)), ...ops], true))
  }

  /** The envelopes of dag-pb leaves; undefined for those that are lost. */
  async envelopes(pieces: readonly number[]): Promise<Map<number, Envelope | undefined>> {
    const { db, id } = this.#init
    const asked = pieces.filter(piece => !this.#envelopes.has(piece))
    const values = asked.length === 0 ? [] : await db.getMany(asked.map(piece => envKey(id, piece)))
    const found = new Map(pieces.map(piece => [piece, this.#envelopes.get(piece)]))
    asked.forEach((piece, i) => {
      const value = values[i]
      if (value !== undefined && value !== 'damaged') found.set(piece, decodeEnvelope(value))
    })
    return found
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

  async #noteWritten(): Promise<void> {
    this.#writtenTimer = undefined
    await this.#write(this.#takeWrittenOps(), false)
  }

  async #record(): Promise<void> {
    this.#stopTimers()
    const pieces = this.#fresh
    const entries = this.#freshEntries
    this.#fresh = []
    this.#freshEntries = new Set()
    this.#freshBytes = 0
    await this.#write(this.#takeWrittenOps(), false)
    if (pieces.length === 0) return
    // Where this fails the pieces stay `written`: a second fsync may succeed without the bytes being on the disk.
    await this.#init.sync(entries)
    const still = pieces.filter(piece => this.have.has(piece))
    for (const piece of still) {
      this.#recorded.add(piece)
      this.#written.delete(piece)
    }
    await this.#write([...this.#chunkOps(this.#chunksOf(still)), ...this.#init.rootOps()], true)
  }

  #takeWrittenOps(): RecordOp[] {
    const { id } = this.#init
    const ops: RecordOp[] = []
    for (const [piece, envelope] of this.#envelopes) {
      ops.push({ type: 'put', key: envKey(id, piece), value: encodeEnvelope(envelope) })
    }
    for (const chunk of this.#dirtyChunks) ops.push(bitsOp(writtenKey(id, chunk), encodeBits(this.#written, chunk)))
    this.#dirtyChunks = new Set()
    return ops
  }

  async #write(ops: readonly RecordOp[], sync: boolean): Promise<void> {
    if (this.#dropped) return
    const noted = [...this.#envelopes]
    await this.#init.db.write(ops, { sync })
    // In LevelDB now. One that was replaced meanwhile is the same: the hash fixes it.
    if (!sync) for (const [piece] of noted) this.#envelopes.delete(piece)
  }

  #chunkOps(chunks: ReadonlySet<number>): RecordOp[] {
    const { id } = this.#init
    return [...chunks].flatMap(chunk => [
      bitsOp(haveKey(id, chunk), encodeBits(this.#recorded, chunk)),
      bitsOp(writtenKey(id, chunk), encodeBits(this.#written, chunk))
    ])
  }

  #chunksOf(pieces: Iterable<number>): Set<number> {
    const chunks = new Set<number>()
    for (const piece of pieces) chunks.add(chunkOf(piece))
    return chunks
  }

  #trust(piece: number): void {
    this.unrecorded.delete(piece)
    this.#written.delete(piece)
    this.#recorded.add(piece)
    if (this.have.add(piece)) this.#heldBytes += this.#contentBytes(piece)
  }

  #doubt(piece: number): void {
    if (this.have.delete(piece)) this.#heldBytes -= this.#contentBytes(piece)
    this.#recorded.delete(piece)
    if (!this.unrecorded.add(piece)) return
    this.#written.add(piece)
    this.#dirtyChunks.add(chunkOf(piece))
  }

  #contentBytes(piece: number): number {
    let bytes = 0
    for (const span of this.#init.manifest.spansOf(piece)) bytes += span.length
    return bytes
  }
}

const chunkOf = (piece: number) => Math.floor(piece / PIECES_PER_RECORD)

function bitsOp(key: string, bits: Uint8Array | undefined): RecordOp {
  return bits === undefined ? { type: 'del', key } : { type: 'put', key, value: bits }
}
