/** Hashes files again that may have changed, and says which pieces are lost. Changes nothing but fingerprints. */
import { createHash } from 'node:crypto'
import { systemCode, throwIfAborted } from '../../base/errors.ts'
import { MIB } from '../../base/units.ts'
import { fingerprintOf, sameFingerprint } from '../fingerprint.ts'
import type { Manifest } from '../manifest.ts'
import { identityOf } from './destination.ts'
import type { DiskFile, FileStats } from './disk.ts'
import { readFully } from './full-io.ts'
import { eachLimited } from './limit.ts'
import type { PieceLedger } from './piece-ledger.ts'
import type { PieceReader } from './piece-reader.ts'
import { type RootFiles, SuspectFile, UNREADABLE } from './root-files.ts'

const STATS_AT_ONCE = 32
const BATCH_BYTES = 4 * MIB
const BATCH_SPANS = 256
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

export class FileChecker {
  readonly #manifest: Manifest
  readonly #files: RootFiles
  readonly #ledger: PieceLedger
  readonly #reader: PieceReader

  constructor(manifest: Manifest, files: RootFiles, ledger: PieceLedger, reader: PieceReader) {
    this.#manifest = manifest
    this.#files = files
    this.#ledger = ledger
    this.#reader = reader
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
   * Hashes every piece of the file (of a partial root: those held) and takes its new fingerprint.
   * @param options.known how it differed, when that is known
   * @param options.onHashed bytes hashed since the last call
   */
  async check(
    entry: number,
    options: { known?: string; signal?: AbortSignal | undefined; onHashed?: (bytes: number) => void } = {}
  ): Promise<FileOutcome> {
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
        reason = failed.length === 0 ? undefined : this.#reason(entry, after, { known: options.known, failed })
        if (!sameFingerprint(fingerprintOf(before), fingerprintOf(after))) {
          if (attempt < MAX_ATTEMPTS) continue
          bad = this.#allSpans(entry)
          reason = 'keeps changing'
        }
        if (!this.#files.isPartial) {
          this.#files.prints.set(entry, { ...fingerprintOf(after), altered: bad.length > 0 })
        } else this.#files.identify(entry, identityOf(after))
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
      if (!this.#ledger.have.has(piece)) continue
      if ((await this.#reader.readVerified(piece)) === undefined) lost.push(piece)
    }
    const regained: number[] = []
    if (!this.#files.isPartial) {
      for (const { piece } of this.#spans(entry)) {
        if (!badPieces.has(piece) && !this.#ledger.have.has(piece)) regained.push(piece)
      }
    }
    return { entry, reason, bad, lost, regained: [...new Set(regained)] }
  }

  /** Spans that do not match. Reads ahead by one batch while it hashes. */
  async #hashSpans(
    entry: number,
    handle: DiskFile,
    options: { signal?: AbortSignal | undefined; onHashed?: (bytes: number) => void }
  ): Promise<BadSpan[]> {
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
    for (const span of this.#spans(entry)) {
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
    const hash = createHash('sha256')
    for (const part of parts) hash.update(part)
    return hash.digest().equals(this.#manifest.pieces.digest(piece))
  }

  #reason(
    entry: number,
    now: FileStats,
    { known, failed }: { known: string | undefined; failed: readonly BadSpan[] }
  ): string {
    if (failed.some(({ unreadable }) => unreadable === true)) return UNREADABLE
    const size = Number(now.size)
    if (size < this.#files.size(entry)) return 'is shorter than before'
    return known === undefined || known === 'is not known' ? 'was changed' : known
  }

  #allSpans(entry: number): BadSpan[] {
    return [...this.#spans(entry)].filter(({ piece }) => !this.#files.isPartial || this.#ledger.have.has(piece))
  }

  *#spans(entry: number): Generator<{ piece: number; fileOffset: number; length: number }> {
    const found = this.#manifest.entries[entry]
    if (found?.kind !== 'file') return
    for (let k = found.firstSpan; k < found.firstSpan + found.spanCount; k++) yield this.#manifest.span(k)
  }

  #holdsAny(entry: number): boolean {
    for (const { piece } of this.#spans(entry)) if (this.#ledger.have.has(piece)) return true
    return false
  }
}

interface LoadedSpan extends BadSpan {
  readonly parts: readonly Uint8Array[]
  readonly whole: boolean
}
