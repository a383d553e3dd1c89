/** Reads ranges of the piece space out of the files of a root, and never yields a byte that it does not trust. */
import { ShoalError } from '../../base/errors.ts'
import { sha256 } from '../../base/sha256.ts'
import { isShared, sharedBytes } from '../../base/shared-memory.ts'
import type { Bitfield } from '../bitfield.ts'
import { printAt } from '../disk/disk-jobs.ts'
import type { DiskThreads } from '../disk/disk-threads.ts'
import { sharedSpans } from '../disk/shared-spans.ts'
import { CHUNK_BYTES } from '../file-builder.ts'
import type { Manifest, Span } from '../manifest.ts'
import { eachLimited } from './limit.ts'
import type { Envelope } from './records.ts'
import { type FileRead, type RootFiles, SuspectFile } from './root-files.ts'

const MAX_FILES_AT_ONCE = 16
/** Roots with fewer files and folders start no thread to be read. */
const WORTH_THREADS_FILES = 128
/** From so many files in one read on, asking a thread is quicker than doing it here. */
const WORTH_ASKING_FILES = 4

const NO_ENVELOPE: Envelope = { prefix: new Uint8Array(0), suffix: new Uint8Array(0) }

/** What the reader needs of the ledger. */
export interface HeldPieces {
  readonly have: Bitfield
  envelopes(pieces: readonly number[]): Promise<Map<number, Envelope | undefined>>
}

export class PieceReader {
  readonly #manifest: Manifest
  readonly #files: RootFiles
  readonly #ledger: HeldPieces

  readonly #threads: DiskThreads | undefined

  /** @param threads where many small files are read */
  constructor(manifest: Manifest, files: RootFiles, ledger: HeldPieces, threads?: DiskThreads) {
    this.#manifest = manifest
    this.#files = files
    this.#ledger = ledger
    this.#threads = manifest.entries.length >= WORTH_THREADS_FILES ? threads : undefined
  }

  /**
   * One attempt at [offset, offset + length) of the piece space, all of it in held pieces, to the front of `into` where
   * that is given.
   * @throws SuspectFile where a file differs from its fingerprint; ERR_FILE_CHANGED where a piece is not held (any more)
   */
  async read(offset: number, length: number, into?: Uint8Array): Promise<Uint8Array> {
    const { pieces } = this.#manifest
    if (!(offset >= 0) || !(length >= 0) || offset + length > pieces.byteLength) {
      throw new ShoalError('ERR_BUG', `a read of ${length} bytes at ${offset} leaves the content`)
    }
    const out = into?.subarray(0, length) ?? Buffer.allocUnsafeSlow(length)
    if (length === 0) return out
    const end = offset + length
    const first = pieces.pieceAt(offset) ?? 0
    const last = pieces.pieceAt(end - 1) ?? first
    const envelopes = await this.#envelopes(first, last)
    const byEntry = new Map<number, FileRead[]>()
    const untrusted: number[] = []
    let run: { entry: number; fileEnd: number; outEnd: number; reads: FileRead[]; start: number } | undefined

    for (let piece = first; piece <= last; piece++) {
      if (!this.#ledger.have.has(piece)) throw notHeld(piece)
      const base = pieces.offset(piece)
      const envelope = pieces.isDagPb(piece) ? envelopes.get(piece) : NO_ENVELOPE
      const span = this.#manifest.spansOf(piece).find(({ entry }) => this.#files.isTrusted(entry))
      if (span === undefined || envelope === undefined) {
        untrusted.push(piece)
        continue
      }
      const dataFrom = base + envelope.prefix.byteLength
      const dataTo = dataFrom + span.length
      copyPart(envelope.prefix, base, out, offset)
      copyPart(envelope.suffix, dataTo, out, offset)
      const from = Math.max(dataFrom, offset)
      const to = Math.min(dataTo, end)
      if (from >= to) continue
      const fileOffset = span.fileOffset + from - dataFrom
      // One read for neighbours in both the file and the piece space.
      if (run?.entry === span.entry && run.fileEnd === fileOffset && run.outEnd === from - offset) {
        run.fileEnd += to - from
        run.outEnd += to - from
        run.reads[run.reads.length - 1] = {
          fileOffset: run.fileEnd - (run.outEnd - run.start),
          into: out.subarray(run.start, run.outEnd)
        }
        continue
      }
      const reads = byEntry.get(span.entry) ?? []
      byEntry.set(span.entry, reads)
      reads.push({ fileOffset, into: out.subarray(from - offset, to - offset) })
      run = {
        entry: span.entry,
        fileEnd: fileOffset + to - from,
        outEnd: to - offset,
        reads,
        start: from - offset
      }
    }

    const isDone = await this.#readOnThread(byEntry)
    await eachLimited(byEntry, MAX_FILES_AT_ONCE, async ([entry, reads]) => {
      if (!isDone.has(entry)) await this.#files.read(entry, reads)
    })
    for (const piece of untrusted) {
      const block = await this.readVerified(piece)
      if (block === undefined) throw new SuspectFile(this.#manifest.spansOf(piece)[0]?.entry ?? 0, 'was changed')
      copyPart(block, pieces.offset(piece), out, offset)
    }
    return out
  }

  /** Many small files at once. Returns the entries whose fingerprints matched; the others are to be read as ever. */
  async #readOnThread(byEntry: ReadonlyMap<number, readonly FileRead[]>): Promise<ReadonlySet<number>> {
    const done = new Set<number>()
    if (this.#threads === undefined || this.#files.isPartial || byEntry.size < WORTH_ASKING_FILES) return done
    const single = [...byEntry].flatMap(([entry, [read, ...more]]) =>
      read === undefined || more.length > 0 || read.into.byteLength > CHUNK_BYTES ? [] : [{ entry, ...read }]
    )
    const copies = sharedBytes(single.reduce((sum, { into: span }) => sum + (isShared(span) ? 0 : span.byteLength), 0))
    let at = 0
    const into = single.map(({ into: span }) => {
      if (isShared(span)) return span
      at += span.byteLength
      return copies.subarray(at - span.byteLength, at)
    })
    const { prints, failed } = await this.#threads.run('readFiles', {
      paths: single.map(({ entry }) => this.#files.path(entry)),
      positions: Float64Array.from(single, ({ fileOffset }) => fileOffset),
      into: sharedSpans(into)
    })
    const others = new Set(failed)
    for (const [index, { entry, into: asked }] of single.entries()) {
      if (others.has(index) || !this.#files.isUnchanged(entry, printAt(prints, index))) continue
      const read = into[index]
      if (read !== undefined && read !== asked) asked.set(read)
      done.add(entry)
    }
    return done
  }

  /** The block of a piece, hashed, from the first of its places that gives it; undefined where none does. */
  async readVerified(piece: number): Promise<Uint8Array | undefined> {
    for (const span of this.#manifest.spansOf(piece)) {
      const block = await this.readSpan(piece, span)
      if (block !== undefined) return block
    }
    return undefined
  }

  /** The block of a piece as this span gives it, or undefined where that does not match its hash. */
  async readSpan(piece: number, span: Span): Promise<Uint8Array | undefined> {
    const { pieces } = this.#manifest
    const envelope = pieces.isDagPb(piece) ? (await this.#envelopes(piece, piece)).get(piece) : NO_ENVELOPE
    if (envelope === undefined) return undefined
    const block = Buffer.allocUnsafeSlow(pieces.wireSize(piece))
    block.set(envelope.prefix, 0)
    block.set(envelope.suffix, block.byteLength - envelope.suffix.byteLength)
    const data = block.subarray(envelope.prefix.byteLength, envelope.prefix.byteLength + span.length)
    try {
      if (data.byteLength > 0 && (await this.#files.readUnchecked(span.entry, span.fileOffset, data)) < data.byteLength)
        return undefined
    } catch (err) {
      if (err instanceof SuspectFile) return undefined
      throw err
    }
    return this.matches(piece, [block]) ? block : undefined
  }

  /** The file bytes within a piece's block, a view. */
  async dataOf(piece: number, block: Uint8Array): Promise<Uint8Array> {
    const { pieces } = this.#manifest
    if (!pieces.isDagPb(piece)) return block
    const at = (await this.#envelopes(piece, piece)).get(piece)?.prefix.byteLength ?? 0
    return block.subarray(at, at + pieces.dataSize(piece))
  }

  /** Whether the bytes, one after another, are the piece's block. */
  matches(piece: number, parts: readonly Uint8Array[]): boolean {
    return this.#manifest.pieces.hasDigest(piece, sha256(parts))
  }

  async #envelopes(first: number, last: number): Promise<Map<number, Envelope | undefined>> {
    const dagPb: number[] = []
    for (let piece = first; piece <= last; piece++) if (this.#manifest.pieces.isDagPb(piece)) dagPb.push(piece)
    const found = dagPb.length === 0 ? new Map<number, Envelope | undefined>() : await this.#ledger.envelopes(dagPb)
    for (const [piece, envelope] of found) {
      const stated = this.#manifest.pieces.wireSize(piece) - this.#manifest.pieces.dataSize(piece)
      if (envelope !== undefined && envelope.prefix.byteLength + envelope.suffix.byteLength !== stated) {
        found.set(piece, undefined)
      }
    }
    return found
  }
}

export function notHeld(piece: number): ShoalError {
  return new ShoalError('ERR_FILE_CHANGED', `piece ${piece} is not held any more: its file changed`)
}

/** Copies what of `bytes`, which lie at `at` of the piece space, falls into `out`, which begins at `outAt`. */
function copyPart(bytes: Uint8Array, at: number, out: Uint8Array, outAt: number): void {
  const from = Math.max(at, outAt)
  const to = Math.min(at + bytes.byteLength, outAt + out.byteLength)
  if (from < to) out.set(bytes.subarray(from - at, to - at), from - outAt)
}
