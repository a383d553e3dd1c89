/** Hashes files again that may have changed, and says which pieces are lost. Changes nothing but fingerprints. */
import { systemCode, throwIfAborted } from '../../base/errors.ts'
import { sha256 } from '../../base/sha256.ts'
import { MIB } from '../../base/units.ts'
import { digestAt, printAt } from '../disk/disk-jobs.ts'
import { type DiskThreads, HASHING_AT_ONCE } from '../disk/disk-threads.ts'
import { fingerprintOf, identityOf, sameFingerprint } from '../fingerprint.ts'
import type { Manifest } from '../manifest.ts'
import { MAX_PIECE_BYTES } from '../piece-map.ts'
import type { DiskFile, FileStats } from './disk.ts'
import { readFully } from './full-io.ts'
import { eachLimited } from './limit.ts'
import type { PieceLedger } from './piece-ledger.ts'
import type { PieceReader } from './piece-reader.ts'
import { type RootFiles, SuspectFile, UNREADABLE } from './root-files.ts'

const STATS_AT_ONCE = 32
const BATCH_BYTES = 4 * MIB
const BATCH_SPANS = 256
/** Of one file, on threads: more than there are, so that none waits for this one. */
const BATCHES_AT_ONCE = 2 * HASHING_AT_ONCE
/** A file that changes while it is hashed is tried so often. */
const MAX_ATTEMPTS = 3

export interface BadSpan {
  readonly piece: number
  readonly fileOffset: number
  /** The disk gave an error there. */
  readonly unreadable?: boolean
}

/** What a check of one file found. */
export interface FileOutcome {
  readonly entry: number
  /** How the file differed, a phrase that follows its name; undefined where all of it still matches. */
  readonly reason: string | undefined
  readonly bad: readonly BadSpan[]
  /** Bad here, and nowhere else to be had. */
  readonly lost: readonly number[]
  /** Matches, and was not held. */
  readonly regained: readonly number[]
}

export interface CheckOptions {
  readonly signal?: AbortSignal | undefined
  /** Bytes hashed since the last call. */
  readonly onHashed?: ((bytes: number) => void) | undefined
  /** There is enough to hash that threads pay. */
  readonly onThreads?: boolean
}

export interface FileCheckerInit {
  readonly manifest: Manifest
  readonly files: RootFiles
  readonly ledger: PieceLedger
  readonly reader: PieceReader
  readonly threads: DiskThreads | undefined
}

export class FileChecker {
  readonly #manifest: Manifest
  readonly #files: RootFiles
  readonly #ledger: PieceLedger
  readonly #reader: PieceReader

  readonly #threads: DiskThreads | undefined

  constructor(init: FileCheckerInit) {
    this.#manifest = init.manifest
    this.#files = init.files
    this.#ledger = init.ledger
    this.#reader = init.reader
    this.#threads = init.threads
  }

  /** Entries whose file differs from its fingerprint by `lstat` alone: no content is read. */
  async differing(signal?: AbortSignal): Promise<number[]> {
    const found: number[] = []
    await eachLimited(this.#files.filesWithPieces(), STATS_AT_ONCE, async entry => {
      throwIfAborted(signal)
      if (this.#files.isPartial && !this.#holdsAny(entry)) return
      const stats = await this.#files.disk.lstat(this.#files.path(entry)).catch(() => undefined)
      if (stats === undefined || this.#files.difference(entry, stats) !== undefined) found.push(entry)
    })
    return found.sort((a, b) => a - b)
  }

  /** Files without a byte of any piece that are gone or hold something now, and how: phrases that follow the name. */
  async changedEmpty(signal?: AbortSignal): Promise<Array<{ entry: number; reason: string }>> {
    const found: Array<{ entry: number; reason: string }> = []
    await eachLimited(this.#files.emptyFiles(), STATS_AT_ONCE, async entry => {
      throwIfAborted(signal)
      const stats = await this.#files.disk.lstat(this.#files.path(entry)).catch(() => undefined)
      if (stats === undefined) found.push({ entry, reason: 'was deleted' })
      else if (!stats.isFile()) found.push({ entry, reason: 'is no file any more' })
      else if (stats.size > 0n) found.push({ entry, reason: 'is not empty any more' })
    })
    return found.sort((a, b) => a.entry - b.entry)
  }

  /**
   * Hashes small files by the hundred, and takes the new fingerprints of those that match.
   * @returns the outcome of each that matches; the others are to be checked one by one
   */
  async confirm(entries: readonly number[]): Promise<FileOutcome[]> {
    if (this.#threads === undefined || this.#files.isPartial) return []
    const paths = entries.map(entry => this.#files.path(entry))
    const { digests, prints, failed } = await this.#threads.run('hashFiles', { paths, maxBytes: MAX_PIECE_BYTES })
    const others = new Set(failed)
    const outcomes: FileOutcome[] = []
    for (const [index, entry] of entries.entries()) {
      const [span] = this.#files.spans(entry)
      const print = printAt(prints, index)
      if (others.has(index) || span === undefined || print.size !== span.length) continue
      const { piece } = span
      if (!this.#manifest.pieces.hasDigest(piece, digestAt(digests, index))) continue
      await this.#files.reopen(entry)
      this.#files.prints.set(entry, { ...print, altered: false })
      const regained = this.#ledger.have.has(piece) ? [] : [piece]
      outcomes.push({ entry, reason: undefined, bad: [], lost: [], regained })
    }
    return outcomes
  }

  /** Whether `confirm` can do it: the whole file is one raw piece. */
  isOnePiece(entry: number): boolean {
    const [span, more] = this.#files.spans(entry)
    const isWhole = span !== undefined && more === undefined && span.length === this.#files.size(entry)
    return isWhole && !this.#manifest.pieces.isDagPb(span.piece)
  }

  /**
   * Hashes every piece of the file (of a partial root: those held) and takes its new fingerprint.
   * @param options.known how it differed, when that is known
   */
  async check(entry: number, options: CheckOptions & { known?: string } = {}): Promise<FileOutcome> {
    await this.#files.reopen(entry)
    let bad: BadSpan[] = []
    let reason: string | undefined
    for (let attempt = 1; ; attempt++) {
      try {
        const { before, after, failed } = await this.#files.withHandle(entry, async handle => {
          const before = handle.stat()
          if (!before.isFile()) throw new SuspectFile(entry, 'is no file any more')
          const failed = await this.#hashSpans(entry, handle, options)
          return { before, after: handle.stat(), failed }
        })
        bad = failed
        // what was added lies in no piece, and is not what was stored
        const isResized = !this.#files.isPartial && Number(after.size) !== this.#files.size(entry)
        const isSame = failed.length === 0 && !isResized
        reason = isSame ? undefined : this.#reason(entry, after, { known: options.known, failed })
        if (!sameFingerprint(fingerprintOf(before), fingerprintOf(after))) {
          if (attempt < MAX_ATTEMPTS) continue
          bad = this.#allSpans(entry)
          reason = 'keeps changing'
        }
        if (!this.#files.isPartial) {
          this.#files.prints.set(entry, { ...fingerprintOf(after), altered: bad.length > 0 || isResized })
        } else if (bad.length === 0) this.#files.identify(entry, identityOf(after))
      } catch (err) {
        if (!(err instanceof SuspectFile)) throw err
        bad = this.#allSpans(entry)
        reason = err.reason
        this.#files.prints.delete(entry)
      }
      return await this.#outcome(entry, bad, reason)
    }
  }

  async #outcome(entry: number, bad: readonly BadSpan[], reason: string | undefined): Promise<FileOutcome> {
    const badPieces = new Set(bad.map(({ piece }) => piece))
    const lost: number[] = []
    for (const piece of badPieces) {
      // of a fetch, whoever mends it finds that out
      if (this.#files.isPartial || !this.#ledger.have.has(piece)) continue
      if ((await this.#reader.readVerified(piece)) === undefined) lost.push(piece)
    }
    const regained: number[] = []
    if (!this.#files.isPartial) {
      for (const { piece } of this.#files.spans(entry)) {
        if (!badPieces.has(piece) && !this.#ledger.have.has(piece)) regained.push(piece)
      }
    }
    return { entry, reason, bad, lost, regained: [...new Set(regained)] }
  }

  /** Spans that do not match, hashed on threads. */
  async #hashOnThreads(
    threads: DiskThreads,
    entry: number,
    handle: DiskFile,
    options: CheckOptions
  ): Promise<BadSpan[]> {
    const bad: BadSpan[] = []
    await eachLimited(this.#batches(entry), BATCHES_AT_ONCE, async batch => {
      throwIfAborted(options.signal)
      const { digests, short } = await threads.run('hashSpans', {
        fd: handle.fd,
        positions: Float64Array.from(batch, ({ fileOffset }) => fileOffset),
        lengths: Uint32Array.from(batch, ({ length }) => length)
      })
      for (const [index, { piece, fileOffset }] of batch.entries()) {
        const isSame = this.#manifest.pieces.hasDigest(piece, digestAt(digests, index))
        if (!isSame || short.includes(index)) bad.push({ piece, fileOffset })
      }
      options.onHashed?.(batch.reduce((sum, { length }) => sum + length, 0))
    })
    return bad.sort((a, b) => a.fileOffset - b.fileOffset)
  }

  /** Spans that do not match. Reads ahead by one batch while it hashes. */
  async #hashSpans(entry: number, handle: DiskFile, options: CheckOptions): Promise<BadSpan[]> {
    const threads = options.onThreads === true ? this.#threads : undefined
    if (threads !== undefined && !this.#hasEnvelopes(entry)) {
      try {
        return await this.#hashOnThreads(threads, entry, handle, options)
      } catch (err) {
        // Which of a batch it was is found out here.
        if (systemCode(err) !== 'EIO') throw err
      }
    }
    const bad: BadSpan[] = []
    let pending: Promise<LoadedSpan[]> | undefined
    const settle = async () => {
      const loaded = (await pending) ?? []
      return () => {
        for (const { piece, fileOffset, parts, whole, unreadable = false } of loaded) {
          if (!whole || !this.#matches(piece, parts)) bad.push({ piece, fileOffset, unreadable })
        }
      }
    }
    for (const batch of this.#batches(entry)) {
      throwIfAborted(options.signal)
      const hash = await settle()
      pending = this.#load(handle, batch)
      // Awaited later; a failure must not be unhandled meanwhile.
      pending.catch(() => {})
      hash()
      options.onHashed?.(batch.reduce((sum, { length }) => sum + length, 0))
    }
    ;(await settle())()
    return bad
  }

  *#batches(entry: number): Generator<Array<{ piece: number; fileOffset: number; length: number }>> {
    let batch: Array<{ piece: number; fileOffset: number; length: number }> = []
    let bytes = 0
    for (const span of this.#files.spans(entry)) {
      if (this.#files.isPartial && !this.#ledger.have.has(span.piece)) continue
      batch.push(span)
      bytes += span.length
      if (bytes < BATCH_BYTES && batch.length < BATCH_SPANS) continue
      yield batch
      batch = []
      bytes = 0
    }
    if (batch.length > 0) yield batch
  }

  async #load(
    handle: DiskFile,
    batch: ReadonlyArray<{ piece: number; fileOffset: number; length: number }>
  ): Promise<LoadedSpan[]> {
    const dagPb = batch.filter(({ piece }) => this.#manifest.pieces.isDagPb(piece)).map(({ piece }) => piece)
    const envelopes = dagPb.length === 0 ? undefined : await this.#ledger.envelopes(dagPb)
    return await Promise.all(
      batch.map(async ({ piece, fileOffset, length }) => {
        const data = Buffer.allocUnsafeSlow(length)
        const got = await readFully(handle, data, fileOffset).catch(err => {
          // A bad sector costs the pieces that lie on it, not the file.
          if (systemCode(err) !== 'EIO') throw err
          return undefined
        })
        if (got === undefined) return { piece, fileOffset, parts: [], whole: false, unreadable: true }
        const whole = got === length
        if (!this.#manifest.pieces.isDagPb(piece)) return { piece, fileOffset, parts: [data], whole }
        const envelope = envelopes?.get(piece)
        const parts = envelope === undefined ? [] : [envelope.prefix, data, envelope.suffix]
        return { piece, fileOffset, parts, whole: whole && envelope !== undefined }
      })
    )
  }

  #matches(piece: number, parts: readonly Uint8Array[]): boolean {
    return this.#manifest.pieces.hasDigest(piece, sha256(parts))
  }

  #reason(
    entry: number,
    now: FileStats,
    { known, failed }: { known: string | undefined; failed: readonly BadSpan[] }
  ): string {
    if (failed.some(({ unreadable }) => unreadable === true)) return UNREADABLE
    const size = Number(now.size)
    if (size < this.#files.size(entry)) return 'is shorter than before'
    if (size > this.#files.size(entry)) return 'is longer than before'
    return known === undefined || known === 'is not known' ? 'was changed' : known
  }

  #allSpans(entry: number): BadSpan[] {
    return [...this.#files.spans(entry)].filter(({ piece }) => !this.#files.isPartial || this.#ledger.have.has(piece))
  }

  #hasEnvelopes(entry: number): boolean {
    for (const { piece } of this.#files.spans(entry)) if (this.#manifest.pieces.isDagPb(piece)) return true
    return false
  }

  #holdsAny(entry: number): boolean {
    for (const { piece } of this.#files.spans(entry)) if (this.#ledger.have.has(piece)) return true
    return false
  }
}

interface LoadedSpan extends BadSpan {
  readonly parts: readonly Uint8Array[]
  readonly whole: boolean
}
