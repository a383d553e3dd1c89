/**
 * One root of the store: its record, and, once loaded, its manifest, its files and which of its pieces are held.
 * The state is the record's; `have`, the fingerprints and the writes are those of PieceLedger, RootFiles and PieceWriter.
 */
import { lstat } from 'node:fs/promises'
import type { CID } from 'multiformats/cid'
import { fromSystemError, ShoalError, throwIfAborted } from '../../base/errors.ts'
import type { Logger } from '../../base/log.ts'
import type { Bitfield } from '../bitfield.ts'
import { fingerprintOf } from '../fingerprint.ts'
import type { Skipped } from '../ingest.ts'
import { isRawRoot, type Manifest } from '../manifest.ts'
import { assembleManifest, rawRootManifest } from '../manifest-assembler.ts'
import type { PieceMap } from '../piece-map.ts'
import { printable } from '../safe-path.ts'
import type { Database, RecordOp } from './database.ts'
import { identityOf, isFolderRoot, moveIntoPlace, statOf, undoMove } from './destination.ts'
import { readEntry } from './entry-reader.ts'
import { makeLinks, makeTree, skippedLinks } from './fetched-tree.ts'
import { FileChecker, type FileOutcome } from './file-checker.ts'
import { eachLimited } from './limit.ts'
import { PieceLedger } from './piece-ledger.ts'
import { notHeld, PieceReader } from './piece-reader.ts'
import { PieceWriter } from './piece-writer.ts'
import {
  decodeFingerprints,
  encodeJson,
  FILES_PER_RECORD,
  kindPrefix,
  nodeKey,
  parseKey,
  type RootRecord,
  rootKey
} from './records.ts'
import { RootFiles, SuspectFile } from './root-files.ts'
import { TurnGate } from './turn-gate.ts'

const STATS_AT_ONCE = 32
const HASHES_AT_ONCE = 4
/** A read that finds a changed file whose pieces still match is tried again so often. */
const MAX_READ_ATTEMPTS = 3
/** Outcomes of file checks that are recorded together. */
const OUTCOMES_AT_ONCE = 256

export interface BadPiece {
  readonly piece: number
  /** Relative to the root; for a single file its own path. */
  readonly path: string
  /** Bytes from the start of that file. */
  readonly offset: number
  readonly reason: string
}

export interface StoredRootInit {
  readonly db: Database
  readonly id: number
  readonly cid: CID
  readonly record: RootRecord
  readonly log: Logger
  /** Says what was lost of this root. */
  readonly onDamage: (sentence: string) => void
}

interface Loaded {
  readonly manifest: Manifest
  readonly files: RootFiles
  readonly ledger: PieceLedger
  readonly reader: PieceReader
  readonly writer: PieceWriter
  readonly checker: FileChecker
}

export class StoredRoot {
  readonly id: number
  /** CIDv1. */
  readonly cid: CID
  /** Called when held pieces turn out to be lost. */
  onLost: ((pieces: readonly number[]) => void) | undefined
  /** Whether `complete` may replace what is at the destination; set by `beginFetch`. */
  force = false
  readonly #init: StoredRootInit
  #record: RootRecord
  #loaded: Loaded | undefined
  #loading: Promise<void> | undefined
  #detached = false
  readonly #checks = new Map<number, Promise<void>>()
  readonly #gate = new TurnGate()

  constructor(init: StoredRootInit) {
    this.#init = init
    this.id = init.id
    this.cid = init.cid
    this.#record = init.record
  }

  get name(): string {
    return this.#record.name
  }

  /** Absolute: where the content is, or will be when the fetch is complete. */
  get path(): string {
    return this.#record.path
  }

  /** Where an unfinished fetch lies; null otherwise. */
  get temp(): string | null {
    return this.#record.temp
  }

  get source(): 'share' | 'get' {
    return this.#record.source
  }

  /** Ms since 1970. */
  get addedAt(): number {
    return this.#record.addedAt
  }

  get state(): 'complete' | 'partial' | 'damaged' {
    return this.#record.state
  }

  /** One sentence for the user, or null. */
  get problem(): string | null {
    return this.#record.problem
  }

  get nodeCount(): number {
    return this.#record.nodes
  }

  get pieceCount(): number {
    return this.#record.pieces
  }

  get heldPieces(): number {
    return this.#loaded?.ledger.have.count ?? this.#record.heldPieces
  }

  /** Bytes of all files, duplicates counted as often as they occur. */
  get totalBytes(): number {
    return this.#record.totalBytes
  }

  /** Of `totalBytes`: what is held. Equal to it when complete. */
  get heldBytes(): number {
    return this.#loaded?.ledger.heldBytes ?? this.#record.heldBytes
  }

  get isLoaded(): boolean {
    return this.#loaded !== undefined
  }

  /** @throws ERR_STORE_DAMAGED before `load` resolved */
  get manifest(): Manifest {
    return this.#need().manifest
  }

  /** @throws ERR_STORE_DAMAGED before `load` resolved */
  get pieces(): PieceMap {
    return this.#need().manifest.pieces
  }

  /** Held, verified and written: what may be advertised. @throws ERR_STORE_DAMAGED before `load` resolved */
  get have(): Bitfield {
    return this.#need().ledger.have
  }

  /** Pieces that `recheckUnrecorded` would hash. */
  get unrecordedCount(): number {
    return this.#loaded?.ledger.unrecorded.count ?? 0
  }

  /**
   * Reads the DAG nodes and bits, once. Everything but the plain properties needs it; roots that `addShared` and
   * `beginFetch` return are loaded.
   * @throws ERR_STORE_DAMAGED where DAG nodes are lost: then `state` is `damaged`
   */
  async load(): Promise<void> {
    if (this.#loaded !== undefined) return
    this.#loading ??= this.#load().finally(() => {
      this.#loading = undefined
    })
    await this.#loading
  }

  /**
   * [offset, offset + length) of the piece space, all of it in held pieces; a fresh buffer, the caller's.
   * @throws ERR_FILE_CHANGED where a file changed and the bytes are lost
   */
  async read(offset: number, length: number): Promise<Uint8Array> {
    const { reader } = this.#need()
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#gate.pass(() => reader.read(offset, length))
      } catch (err) {
        if (!(err instanceof SuspectFile)) throw err
        await this.#recheck(err)
        if (attempt === MAX_READ_ATTEMPTS) throw this.#changedError(err)
      }
    }
  }

  /**
   * Bytes of one file, pieces and bytes inside DAG nodes alike; every piece of the range must be held.
   * @param entry index into `manifest.entries`
   * @throws ERR_FILE_CHANGED, ERR_STORE_DAMAGED
   */
  async readEntry(entry: number, offset: number, length: number): Promise<Uint8Array> {
    return await readEntry(this, entry, offset, length)
  }

  /**
   * Verified pieces, the bytes of all of them in `buffers` one after another. Resolves when they are in the page cache
   * of every file that they belong to; from then on `have` names them.
   * @throws ERR_MALFORMED_ROOT, ERR_NO_SPACE, ERR_NO_PERMISSION, ERR_READ_ONLY, ERR_IO
   */
  async write(first: number, count: number, buffers: readonly Uint8Array[]): Promise<void> {
    const { writer } = this.#need()
    await this.#gate.pass(async () => {
      if (this.#record.state !== 'partial') throw new ShoalError('ERR_BUG', `${this.cid} is not being fetched`)
      if (this.#detached) throw this.#goneError()
      await writer.write(first, count, buffers)
    })
  }

  /** The block of a DAG node. @throws ERR_STORE_DAMAGED; for a raw root also ERR_FILE_CHANGED */
  async readNode(index: number): Promise<Uint8Array> {
    const { manifest, ledger } = this.#need()
    if (isRawRoot(manifest)) {
      if (!ledger.have.has(0)) throw notHeld(0)
      return await this.read(0, manifest.pieces.byteLength)
    }
    const block = await this.#init.db.get(nodeKey(this.id, index))
    if (block === undefined || block === 'damaged') throw await this.#nodeLost(index)
    return block
  }

  /**
   * All pieces are held: makes what is left (empty files, folders, symbolic links), moves everything into place and
   * records it. Durable when it resolves. On a root that is complete already: only says what was skipped.
   * @throws ERR_EXISTS where something came into being at the destination: the content stays under its temporary name
   */
  async complete(): Promise<{ skipped: Skipped[] }> {
    const { manifest, files, ledger, writer } = this.#need()
    if (this.#record.state !== 'partial') return { skipped: skippedLinks(manifest) }
    if (!ledger.have.isFull) throw new ShoalError('ERR_BUG', `${this.cid} is not complete`)
    return await this.#gate.alone(async () => {
      if (this.#detached) throw this.#goneError()
      const { temp, path } = this.#record
      if (temp === null) return await this.#finish(skippedLinks(manifest))
      await makeTree(manifest, files, writer, index => this.readNode(index))
      await ledger.flush()
      if (!ledger.isRecorded) {
        throw new ShoalError('ERR_IO', `not all of ${path} could be written to the disk`, {
          hint: 'check the disk, and run the same command again'
        })
      }
      const skipped = isFolderRoot(manifest) ? await makeLinks(manifest, temp) : []
      await this.#save({ moving: true })
      await writer.close()
      await files.close()
      try {
        await moveIntoPlace(temp, path, manifest, this.force)
      } catch (err) {
        await undoMove(temp, this.#record.tempId ?? '', path, manifest).catch(() => {})
        await this.#save({ moving: false })
        throw err
      }
      return await this.#finish(skipped)
    })
  }

  /** Records everything that was written before the call. */
  async flush(): Promise<void> {
    await this.#loaded?.ledger.flush()
  }

  /**
   * Hashes what was written but not recorded before the last end of the process.
   * @returns how many pieces of it are held now
   */
  async recheckUnrecorded(signal?: AbortSignal): Promise<number> {
    const { manifest, files, ledger, reader, writer } = this.#need()
    let found = 0
    await eachLimited([...ledger.unrecorded.ones()], HASHES_AT_ONCE, async piece => {
      throwIfAborted(signal)
      const spans = manifest.spansOf(piece)
      const block = await reader.readVerified(piece)
      if (block === undefined) return ledger.disproved([piece])
      for (const span of spans) {
        if (!files.isPartial || (await reader.readSpan(piece, span)) !== undefined) continue
        const data = await reader.dataOf(piece, block)
        await writer.writeData(span.entry, span.fileOffset, data)
      }
      await ledger.wrote(
        [piece],
        spans.map(({ entry }) => entry),
        spans.reduce((sum, { length }) => sum + length, 0)
      )
      found += 1
    })
    await ledger.flush()
    if (!files.isPartial) await this.#settle([])
    return found
  }

  /**
   * Compares fingerprints without reading content, and hashes the files that differ. What is lost is withdrawn, what
   * matches again is taken back. Before a root is advertised after a start.
   * @returns the pieces that were lost
   */
  async checkFiles(signal?: AbortSignal): Promise<number[]> {
    await this.load()
    const { checker } = this.#need()
    const lost = new Set<number>()
    if (this.#record.state !== 'partial' && this.unrecordedCount > 0) await this.recheckUnrecorded(signal)
    await this.#checkAll(await checker.differing(signal), { signal }, outcome => {
      for (const piece of outcome.lost) lost.add(piece)
    })
    return [...lost]
  }

  /** Hashes everything again, whatever the fingerprints say. What is bad is withdrawn, and returned. */
  async verify(
    options: {
      signal?: AbortSignal
      /** Bytes hashed so far, of those there are to hash, and files begun. */
      onProgress?: (progress: { bytes: number; totalBytes: number; files: number }) => void
    } = {}
  ): Promise<{ bad: BadPiece[] }> {
    await this.load()
    const { manifest, files } = this.#need()
    const bad: BadPiece[] = []
    let bytes = 0
    let done = 0
    const onHashed = (hashed: number) => {
      bytes += hashed
      options.onProgress?.({ bytes, totalBytes: this.totalBytes, files: done })
    }
    await this.#checkAll([...files.filesWithPieces()], { signal: options.signal, onHashed }, outcome => {
      done += 1
      const path = manifest.entries[outcome.entry]?.path || this.name
      const reason = outcome.reason ?? 'was changed'
      for (const { piece, fileOffset } of outcome.bad) bad.push({ piece, path, offset: fileOffset, reason })
    })
    return { bad }
  }

  /** For the store alone: takes over what it assembled itself. */
  adopt(manifest: Manifest): void {
    this.#loaded = this.#assemble(manifest)
  }

  /** For the store alone: the parts of a loaded root. */
  get parts(): Loaded {
    return this.#need()
  }

  /** For the store alone: changes the record, synced. */
  async update(change: Partial<RootRecord>): Promise<void> {
    await this.#save(change)
  }

  /** For the store alone: the op that writes the record as it is now. */
  recordOps(): RecordOp[] {
    this.#record = { ...this.#record, heldPieces: this.heldPieces, heldBytes: this.heldBytes }
    return [{ type: 'put', key: rootKey(this.id), value: encodeJson(this.#record) }]
  }

  /** For the store alone: which temporary file it was, see `identityOf`. */
  get tempId(): string | null {
    return this.#record.tempId
  }

  get isMoving(): boolean {
    return this.#record.moving
  }

  /** For the store alone. Records what is left to record and closes all files. */
  async close(): Promise<void> {
    await this.#loading?.catch(() => {})
    const loaded = this.#loaded
    if (loaded === undefined) return
    try {
      if (!this.#detached) await loaded.ledger.flush()
    } finally {
      await loaded.ledger.drop()
      await loaded.writer.close()
      await loaded.files.close()
    }
  }

  /** For the store alone: nothing of this root is recorded from here on. */
  async detach(): Promise<void> {
    this.#detached = true
    await this.#loading?.catch(() => {})
    await this.#loaded?.ledger.drop()
  }

  #need(): Loaded {
    if (this.#loaded !== undefined) return this.#loaded
    throw new ShoalError('ERR_STORE_DAMAGED', this.problem ?? `the DAG nodes of ${this.cid} are not loaded`)
  }

  #assemble(manifest: Manifest): Loaded {
    const files = new RootFiles(manifest, this.temp ?? this.path, this.state === 'partial')
    const ledger: PieceLedger = new PieceLedger({
      db: this.#init.db,
      id: this.id,
      manifest,
      // The user's own files are taken as they are; only what a fetch wrote is synced.
      sync: async entries => (files.isPartial ? await writer.sync(entries) : undefined),
      rootOps: () => this.recordOps(),
      log: this.#init.log
    })
    const reader = new PieceReader(manifest, files, ledger)
    const writer: PieceWriter = new PieceWriter(manifest, files, ledger)
    const checker = new FileChecker(manifest, files, ledger, reader)
    return { manifest, files, ledger, reader, writer, checker }
  }

  async #load(): Promise<void> {
    const loaded = this.#assemble(await this.#readManifest())
    const { manifest, files, ledger } = loaded
    await ledger.load()
    for await (const { key, value } of this.#init.db.entries(kindPrefix('file', this.id))) {
      const prints = value === 'damaged' ? undefined : decodeFingerprints(value)
      if (prints === undefined) {
        const first = (parseKey(key)?.index ?? 0) * FILES_PER_RECORD
        this.#init.log.warn('%s: the fingerprints of files %d and following are damaged', this.cid, first)
        continue
      }
      for (const [entry, print] of prints) if (manifest.entries[entry]?.kind === 'file') files.prints.set(entry, print)
    }
    if (this.#record.state === 'partial') await this.#resume(loaded)
    this.#loaded = loaded
  }

  /** What a partial root's records say is believed only where its temporary file is still the one they speak of. */
  async #resume({ manifest, ledger }: Loaded): Promise<void> {
    const { temp, tempId, path, moving } = this.#record
    if (temp === null) return
    if (moving) {
      await undoMove(temp, tempId ?? '', path, manifest)
      ledger.doubtAll()
      await this.#save({ moving: false })
    }
    const stats = await statOf(temp)
    if (stats === undefined || identityOf(stats) !== tempId) {
      this.#init.log.warn('%s is gone: nothing of it is held', temp)
      await ledger.clear()
    }
  }

  async #readManifest(): Promise<Manifest> {
    if (this.cid.code === 0x55) return rawRootManifest(this.cid, this.totalBytes)
    const blocks: Uint8Array[] = []
    for await (const { key, value } of this.#init.db.entries(kindPrefix('node', this.id))) {
      if (value === 'damaged' || parseKey(key)?.index !== blocks.length) throw await this.#nodeLost(blocks.length)
      blocks.push(value)
    }
    try {
      return assembleManifest(this.cid, blocks)
    } catch {
      throw await this.#nodeLost(blocks.length)
    }
  }

  async #nodeLost(index: number): Promise<ShoalError> {
    const problem = `the store lost DAG node ${index} of ${printable(this.name)} (${this.cid}); its files in ${printable(this.path)} were not touched`
    if (this.#record.problem !== problem) {
      this.#init.onDamage(problem)
      // A fetch under way keeps its temporary file: a new beginFetch brings the nodes back and finds the pieces in it.
      if (this.#record.state !== 'partial') await this.#save({ state: 'damaged', problem })
      else await this.#save({ problem })
    }
    return new ShoalError('ERR_STORE_DAMAGED', problem, {
      hint: 'share or get it again: what is still right on disk is recognised',
      details: { cid: this.cid.toString(), node: index }
    })
  }

  /** One check per file at a time; a read that waits for it profits from its outcome. */
  async #recheck({ entry, reason }: SuspectFile): Promise<void> {
    const running = this.#checks.get(entry)
    if (running !== undefined) return await running
    const { checker, files } = this.#need()
    const check = this.#gate.pass(async () => {
      // A read that began before the last check may only have seen the old fingerprint.
      const stats = await lstat(files.path(entry), { bigint: true }).catch(() => undefined)
      const print = files.prints.get(entry)
      if (!files.isPartial && print?.altered === false && stats !== undefined) {
        if (files.difference(entry, stats) === undefined) return await files.reopen(entry)
      }
      await this.#settle([await checker.check(entry, { known: reason })])
    })
    this.#checks.set(
      entry,
      check.finally(() => this.#checks.delete(entry))
    )
    await this.#checks.get(entry)
  }

  async #checkAll(
    entries: readonly number[],
    options: { signal?: AbortSignal | undefined; onHashed?: (bytes: number) => void },
    onOutcome: (outcome: FileOutcome) => void
  ): Promise<void> {
    const { checker } = this.#need()
    let outcomes: FileOutcome[] = []
    try {
      await eachLimited(entries, HASHES_AT_ONCE, async entry => {
        throwIfAborted(options.signal)
        const outcome = await this.#gate.pass(() => checker.check(entry, options))
        onOutcome(outcome)
        outcomes.push(outcome)
        if (outcomes.length < OUTCOMES_AT_ONCE) return
        const full = outcomes
        outcomes = []
        await this.#settle(full)
      })
    } finally {
      if (outcomes.length > 0 || entries.length === 0) await this.#settle(outcomes)
    }
  }

  /** Records what checks found: fingerprints, withdrawn and regained pieces, state and problem. */
  async #settle(outcomes: readonly FileOutcome[]): Promise<void> {
    const { files, ledger } = this.#need()
    const before = this.#record
    const lost = [...new Set(outcomes.flatMap(outcome => outcome.lost))].filter(piece => ledger.have.has(piece))
    const regained = outcomes.flatMap(outcome => outcome.regained)
    if (regained.length > 0) await ledger.wrote([...new Set(regained)], [], 0)
    if (!files.isPartial) {
      const state = ledger.have.count - lost.length === ledger.have.length ? 'complete' : 'damaged'
      const worst = outcomes.find(outcome => outcome.lost.length > 0) ?? outcomes.find(({ bad }) => bad.length > 0)
      const problem = worst === undefined ? this.#record.problem : this.#sentence(worst, outcomes)
      this.#record = { ...this.#record, state, problem: this.#anyAltered() || state === 'damaged' ? problem : null }
    } else if (lost.length > 0) {
      const path = files.path(outcomes[0]?.entry ?? 0)
      this.#init.log.warn('%s changed during the fetch: %d pieces are fetched again', path, lost.length)
    }
    if (outcomes.length === 0 && this.#record.state === before.state && this.#record.problem === before.problem) return
    const prints = files.isPartial
      ? []
      : files.printOps(
          this.id,
          outcomes.map(({ entry }) => entry)
        )
    const withdrawn = ledger.withdraw(lost, prints)
    if (lost.length > 0) this.onLost?.(lost)
    await withdrawn
    await ledger.flush()
    await this.#init.db.write(this.#detached ? [] : this.recordOps(), { sync: true })
  }

  #anyAltered(): boolean {
    const { files } = this.#need()
    for (const { altered } of files.prints.values()) if (altered) return true
    return false
  }

  #sentence(worst: FileOutcome, outcomes: readonly FileOutcome[]): string {
    const { files } = this.#need()
    const changed = outcomes.filter(({ bad }) => bad.length > 0).length
    const others = changed > 1 ? ` (and ${changed - 1} more)` : ''
    const withdrawn = outcomes.reduce((sum, { lost }) => sum + lost.length, 0)
    const consequence =
      withdrawn > 0
        ? `what no longer matches is not served (${withdrawn} of ${this.pieceCount} pieces)`
        : 'its pieces are served from other places'
    return `${printable(files.path(worst.entry))} ${worst.reason ?? 'was changed'}${others}; ${consequence}`
  }

  #changedError({ entry, reason }: SuspectFile): ShoalError {
    const path = this.#need().files.path(entry)
    return new ShoalError('ERR_FILE_CHANGED', `${printable(path)} ${reason}`, {
      hint: 'share it again',
      details: { path, reason }
    })
  }

  #goneError(): ShoalError {
    return new ShoalError('ERR_UNKNOWN_ROOT', `${this.cid} was removed from the store`)
  }

  /** Fingerprints of what lies in place now, and the state, in one synced batch. */
  async #finish(skipped: Skipped[]): Promise<{ skipped: Skipped[] }> {
    const { manifest, files } = this.#need()
    files.base = this.path
    files.isPartial = false
    await this.takeFingerprints()
    this.#record = { ...this.#record, state: 'complete', temp: null, tempId: null, moving: false, problem: null }
    const entries = [...manifest.entries.keys()].filter(entry => files.prints.has(entry))
    await this.#init.db.write([...files.printOps(this.id, entries), ...this.recordOps()], { sync: true })
    return { skipped }
  }

  /** For the store alone: of every file as it is. */
  async takeFingerprints(): Promise<void> {
    const { manifest, files } = this.#need()
    await eachLimited(manifest.entries.entries(), STATS_AT_ONCE, async ([index, entry]) => {
      if (entry.kind !== 'file') return
      const path = files.path(index)
      const stats = await lstat(path, { bigint: true }).catch(err => {
        throw fromSystemError(err, path)
      })
      files.prints.set(index, { ...fingerprintOf(stats), altered: false })
    })
  }

  async #save(change: Partial<RootRecord>): Promise<void> {
    this.#record = { ...this.#record, ...change }
    if (!this.#detached) await this.#init.db.write(this.recordOps(), { sync: true })
  }
}
