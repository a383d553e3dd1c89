/**
 * Which pieces of a root are held, recorded, written, and to be hashed; and the `have` and `written` records of it.
 *
 * Invariant: `#recorded` ⊆ `have`; `#written` = (`have` − `#recorded`) ∪ `unrecorded`; `have` and `unrecorded` are
 * disjoint.
 */
import { Bitfield } from '../bitfield.ts'
import type { Manifest } from '../manifest.ts'
import type { Database, RecordOp } from './database.ts'
import { decodeBits, encodeBits, haveKey, kindPrefix, PIECES_PER_RECORD, parseKey, writtenKey } from './records.ts'

export class PieceBits {
  readonly have: Bitfield
  /** Written in an earlier life, or by someone else: to be hashed before they count. */
  readonly unrecorded: Bitfield
  readonly #id: number
  readonly #manifest: Manifest
  readonly #recorded: Bitfield
  readonly #written: Bitfield
  /** Chunks whose `written` record is behind. */
  #dirtyChunks = new Set<number>()
  #heldBytes = 0

  /** @param id of the root, for the keys of its records */
  constructor(id: number, manifest: Manifest) {
    const { count } = manifest.pieces
    this.#id = id
    this.#manifest = manifest
    this.have = new Bitfield(count)
    this.unrecorded = new Bitfield(count)
    this.#recorded = new Bitfield(count)
    this.#written = new Bitfield(count)
    for (const inline of manifest.inline) this.#heldBytes += inline.length
  }

  /** Bytes of file content that are held, duplicates counted as often as they occur. */
  get heldBytes(): number {
    return this.#heldBytes
  }

  get allRecorded(): boolean {
    return this.#recorded.isFull
  }

  /** Whether `takeWrittenOps` would give any. */
  get isBehind(): boolean {
    return this.#dirtyChunks.size > 0
  }

  /** Held, and not recorded yet. */
  isFresh(piece: number): boolean {
    return this.have.has(piece) && !this.#recorded.has(piece)
  }

  /** Reads the records. Pieces of damaged ones are doubted. */
  async load(db: Database): Promise<void> {
    for (const kind of ['have', 'written'] as const) {
      const found = new Bitfield(this.have.length)
      for await (const { key, value } of db.entries(kindPrefix(kind, this.#id))) {
        const chunk = parseKey(key)?.index ?? -1
        if (chunk >= 0 && value !== 'damaged' && decodeBits(value, chunk, found)) continue
        const first = Math.max(0, chunk) * PIECES_PER_RECORD
        for (let piece = first; piece < first + PIECES_PER_RECORD; piece++) this.doubt(piece)
      }
      for (const piece of found.ones()) {
        if (kind === 'written') this.doubt(piece)
        else this.trust(piece)
      }
    }
  }

  /** Held and recorded. */
  trust(piece: number): void {
    this.unrecorded.delete(piece)
    this.#written.delete(piece)
    this.#recorded.add(piece)
    this.#hold(piece)
  }

  /** To be hashed before it counts. */
  doubt(piece: number): void {
    if (this.have.delete(piece)) this.#heldBytes -= this.#contentBytes(piece)
    this.#recorded.delete(piece)
    if (!this.unrecorded.add(piece)) return
    this.#written.add(piece)
    this.#dirtyChunks.add(chunkOf(piece))
  }

  /** Held from now on. Returns whether it is still to be recorded. */
  write(piece: number): boolean {
    this.unrecorded.delete(piece)
    this.#hold(piece)
    if (this.#recorded.has(piece)) return false
    this.#written.add(piece)
    this.#dirtyChunks.add(chunkOf(piece))
    return true
  }

  /** Was hashed and does not match. */
  disprove(piece: number): void {
    if (!this.unrecorded.delete(piece)) return
    this.#written.delete(piece)
    this.#dirtyChunks.add(chunkOf(piece))
  }

  withdraw(piece: number): void {
    if (this.have.delete(piece)) this.#heldBytes -= this.#contentBytes(piece)
    this.unrecorded.delete(piece)
    this.#recorded.delete(piece)
    this.#written.delete(piece)
  }

  /** Not where it was doubted meanwhile. */
  record(piece: number): void {
    if (!this.have.has(piece)) return
    this.#recorded.add(piece)
    this.#written.delete(piece)
  }

  /** The `written` records that are behind. They count as written from here on. */
  takeWrittenOps(): RecordOp[] {
    const ops = [...this.#dirtyChunks].map(chunk =>
      bitsOp(writtenKey(this.#id, chunk), encodeBits(this.#written, chunk))
    )
    this.#dirtyChunks = new Set()
    return ops
  }

  /** All records that hold these pieces. */
  ops(pieces: Iterable<number>): RecordOp[] {
    const chunks = new Set<number>()
    for (const piece of pieces) chunks.add(chunkOf(piece))
    return [...chunks].flatMap(chunk => [
      bitsOp(haveKey(this.#id, chunk), encodeBits(this.#recorded, chunk)),
      bitsOp(writtenKey(this.#id, chunk), encodeBits(this.#written, chunk))
    ])
  }

  #hold(piece: number): void {
    if (this.have.add(piece)) this.#heldBytes += this.#contentBytes(piece)
  }

  #contentBytes(piece: number): number {
    let bytes = 0
    for (const span of this.#manifest.spansOf(piece)) bytes += span.length
    return bytes
  }
}

const chunkOf = (piece: number) => Math.floor(piece / PIECES_PER_RECORD)

function bitsOp(key: string, bits: Uint8Array | undefined): RecordOp {
  return bits === undefined ? { type: 'del', key } : { type: 'put', key, value: bits }
}
