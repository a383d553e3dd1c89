/**
 * One root of the store: its record, and, once loaded, its manifest, its files and which of its pieces are held.
 * The state is LiveRecord's; `have`, the fingerprints and the writes are those of PieceLedger, RootFiles and PieceWriter.
 */
import type { CID } from 'multiformats/cid'
import { ShoalError } from '../../base/errors.ts'
import type { Logger } from '../../base/log.ts'
import type { Bitfield } from '../bitfield.ts'
import type { DiskThreads } from '../disk/disk-threads.ts'
import type { Skipped } from '../ingest.ts'
import { isRawRoot, type Manifest } from '../manifest.ts'
import type { PieceMap } from '../piece-map.ts'
import { noteClosed } from './closed-fetch.ts'
import type { Database, RecordOp } from './database.ts'
import type { Disk } from './disk.ts'
import { readEntry } from './entry-reader.ts'
import { skippedLinks } from './fetched-tree.ts'
import { LiveRecord } from './live-record.ts'
import { NodeBlocks } from './node-blocks.ts'
import { notHeld } from './piece-reader.ts'
import { encodeJson, type RootRecord } from './records.ts'
import { completeRoot } from './root-completion.ts'
import { changedError, SuspectFile } from './root-files.ts'
import type { BadPiece, VerifyOptions } from './root-inspection.ts'
import { assembleParts, loadParts, type PartsInit, type RootParts, undoMoveOf } from './root-parts.ts'
import { RootSummary } from './root-summary.ts'
import { makeMissing, type TreeFault, treeFaults } from './tree-faults.ts'
import { TurnGate } from './turn-gate.ts'
import { recheckUnrecorded } from './unrecorded-pieces.ts'

/** A read or write that finds a changed file is tried again so often. */
const MAX_ATTEMPTS = 3

/** Closing records small files for so long; the rest is hashed after the next start. */
const LAST_RECORDING_MS = 500

export type { BadPiece } from './root-inspection.ts'

/** A file, folder or symbolic link that is not as it should be, whatever its pieces are. */
export interface WrongEntry {
  /** Relative to the root; for a single file its own path. */
  readonly path: string
  /** A phrase that follows it: `was deleted`, `is too long`, … */
  readonly reason: string
}

export interface StoredRootInit {
  readonly disk: Disk
  readonly db: Database
  readonly id: number
  readonly cid: CID
  readonly record: RootRecord
  readonly log: Logger
  readonly threads: DiskThreads | undefined
  /** Says what was lost of this root. */
  readonly onDamage: (sentence: string) => void
}

export class StoredRoot extends RootSummary {
  /** Called when held pieces turn out to be lost. */
  onLost: ((pieces: readonly number[]) => void) | undefined
  /** Whether `complete` may replace what is at the destination; set by `beginFetch`. */
  force = false
  readonly #init: PartsInit
  readonly #nodes: NodeBlocks
  #parts: RootParts | undefined
  #loading: Promise<void> | undefined
  readonly #gate = new TurnGate()

  constructor(init: StoredRootInit) {
    super(init.cid, new LiveRecord(init.db, init.id, init.record))
    this.#init = {
      disk: init.disk,
      db: init.db,
      log: init.log,
      threads: init.threads,
      cid: init.cid,
      record: this.record,
      gate: this.#gate,
      onLost: pieces => this.onLost?.(pieces)
    }
    this.#nodes = new NodeBlocks(init.db, init.cid, this.record, init.onDamage)
  }

  get isLoaded(): boolean {
    return this.#parts !== undefined
  }

  /** @throws ERR_STORE_DAMAGED before `load` resolved */
  get manifest(): Manifest {
    return this.parts.manifest
  }

  /** @throws ERR_STORE_DAMAGED before `load` resolved */
  get pieces(): PieceMap {
    return this.parts.manifest.pieces
  }

  /** Held, verified and written: what may be advertised. @throws ERR_STORE_DAMAGED before `load` resolved */
  get have(): Bitfield {
    return this.parts.ledger.have
  }

  /** Pieces that `recheckUnrecorded` would hash. */
  get unrecordedCount(): number {
    return this.#parts?.ledger.unrecorded.count ?? 0
  }

  /**
   * Reads the DAG nodes and bits, once. Everything but the plain properties needs it; roots that `addShared` and
   * `beginFetch` return are loaded.
   * @throws ERR_STORE_DAMAGED where DAG nodes are lost: then `state` is `damaged`
   */
  async load(): Promise<void> {
    if (this.#parts !== undefined) return
    this.#loading ??= this.#load().finally(() => {
      this.#loading = undefined
    })
    await this.#loading
  }

  /**
   * [offset, offset + length) of the piece space, all of it in held pieces; a fresh buffer, the caller's.
   * @throws ERR_FILE_CHANGED where a file changed and the bytes are lost
   */
  async read(offset: number, length: number, into?: Uint8Array): Promise<Uint8Array> {
    let first = into
    return await this.#whileFilesStay(({ reader }) => {
      // of an attempt that failed, reads may still be under way: the next gets a buffer of its own
      const buffer = first
      first = undefined
      return reader.read(offset, length, buffer)
    })
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
    await this.#whileFilesStay(async ({ writer }) => {
      if (this.state !== 'partial') throw new ShoalError('ERR_BUG', `${this.cid} is not being fetched`)
      if (this.record.isDetached) throw this.#goneError()
      await writer.write(first, count, buffers)
    })
  }

  /** The block of a DAG node. @throws ERR_STORE_DAMAGED; for a raw root also ERR_FILE_CHANGED */
  async readNode(index: number): Promise<Uint8Array> {
    const { manifest, ledger } = this.parts
    if (!isRawRoot(manifest)) return await this.#nodes.read(index)
    if (!ledger.have.has(0)) throw notHeld(0)
    return await this.read(0, manifest.pieces.byteLength)
  }

  /**
   * All pieces are held: makes what is left (empty files, folders, symbolic links), moves everything into place and
   * records it. Durable when it resolves. On a root that is complete already: only says what was skipped.
   * @throws ERR_EXISTS where something came into being at the destination: the content stays under its temporary name;
   * ERR_FILE_CHANGED where a file was changed or deleted meanwhile: what it held elsewhere is there again, and what it
   * did not is missing, so that it can be fetched and this be called once more
   */
  async complete(): Promise<{ skipped: Skipped[] }> {
    const { parts } = this
    if (this.state !== 'partial') return { skipped: skippedLinks(parts.manifest) }
    if (!parts.ledger.have.isFull) throw new ShoalError('ERR_BUG', `${this.cid} is not complete`)
    const readNode = (index: number) => this.readNode(index)
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#gate.alone(async () => {
          if (this.record.isDetached) throw this.#goneError()
          return { skipped: await completeRoot({ ...this.#init, parts, readNode, force: this.force }) }
        })
      } catch (err) {
        if (!(err instanceof SuspectFile)) throw err
        await parts.writer.checkDrive()
        // a check of the others looks at their pieces
        if (!parts.files.holdsPieces(err.entry)) await parts.writer.forget(err.entry)
        await parts.inspection.checkFiles()
        if (attempt < MAX_ATTEMPTS && parts.ledger.have.isFull) continue
        const hint = 'run the same command again when nothing else touches it'
        throw changedError(err, parts.files.path(err.entry), hint)
      }
    }
  }

  /**
   * Whether a fetch may go on after the disk failed. Writes no piece, so that it resolves is no proof.
   * @throws ERR_NO_SPACE, ERR_NO_PERMISSION, ERR_READ_ONLY, ERR_IO while it is known that it cannot
   */
  async probeDisk(): Promise<void> {
    const { ledger, writer } = this.parts
    if (this.temp !== null) await writer.probe(this.totalBytes - this.heldBytes)
    await ledger.flush()
  }

  /** Records everything that was written before the call. */
  async flush(): Promise<void> {
    await this.#parts?.ledger.flush()
  }

  /**
   * Hashes what was written but not recorded before the last end of the process.
   * @returns how many pieces of it are held now
   */
  async recheckUnrecorded(signal?: AbortSignal): Promise<number> {
    const { parts } = this
    const found = await recheckUnrecorded(parts, signal)
    if (!parts.files.isPartial) await parts.inspection.settle([])
    return found
  }

  /**
   * Compares fingerprints without reading content, and hashes the files that differ. What is lost is withdrawn, what
   * matches again is taken back. Before a root is advertised after a start.
   * @returns the pieces that were lost
   */
  async checkFiles(signal?: AbortSignal): Promise<number[]> {
    await this.load()
    if (this.state !== 'partial' && this.unrecordedCount > 0) await this.recheckUnrecorded(signal)
    return await this.parts.inspection.checkFiles(signal)
  }

  /**
   * Hashes everything again, whatever the fingerprints say. What is bad is withdrawn, and returned; `wrong` is what else
   * of the tree is not as it should be, of files without a bad piece.
   */
  async verify(options: VerifyOptions = {}): Promise<{ bad: BadPiece[]; wrong: WrongEntry[] }> {
    await this.load()
    const bad = await this.parts.inspection.verify(options)
    const named = new Set(bad.map(({ path }) => path))
    const faults = await this.#treeFaults(options.signal)
    const wrong = faults.map(({ entry, reason }) => ({ path: this.manifest.entries[entry]?.path || this.name, reason }))
    return { bad, wrong: wrong.filter(({ path }) => !named.has(path)) }
  }

  /** Whether all of it is at its place, files with other fingerprints hashed. Changes nothing there. @throws system errors */
  async isWhole(signal?: AbortSignal): Promise<boolean> {
    await this.checkFiles(signal)
    return this.state === 'complete' && this.have.isFull && (await this.#treeFaults(signal)).length === 0
  }

  /**
   * Whether the tree on the disk is the content's, kinds, sizes and links, after folders, empty files and symbolic links
   * that were missing are made again, where nothing else is wrong. A link that cannot be made there is no fault, as at the
   * end of a fetch. Reads no pieces: that is for `checkFiles`, before it.
   * @throws system errors
   */
  async restoreTree(signal?: AbortSignal): Promise<boolean> {
    const faults = await this.#treeFaults(signal)
    if (faults.length === 0) return true
    if (!faults.every(({ isMissing }) => isMissing)) return false
    const { files, ledger, inspection } = this.parts
    await this.#gate.alone(async () => {
      const made = await makeMissing(files, faults)
      await ledger.withdraw([], files.printOps(this.record.id, made))
    })
    await inspection.checkFiles(signal)
    const { entries } = this.manifest
    const left = await this.#treeFaults(signal)
    return left.every(({ entry, isMissing }) => isMissing && entries[entry]?.kind === 'symlink')
  }

  /** For the store alone: takes over what it assembled itself. */
  adopt(manifest: Manifest): void {
    this.#adopt(assembleParts(this.#init, manifest))
  }

  /** For the store alone: the parts of a loaded root. */
  get parts(): RootParts {
    if (this.#parts !== undefined) return this.#parts
    throw new ShoalError('ERR_STORE_DAMAGED', this.problem ?? `the DAG nodes of ${this.cid} are not loaded`)
  }

  /** For the store alone: changes the record, synced. */
  async update(change: Partial<RootRecord>): Promise<void> {
    await this.record.save(change)
  }

  /** For the store alone: the root's record stays unwritten until `installed`. */
  beginInstalling(): void {
    this.record.beginInstalling()
  }

  /** For the store alone. */
  installed(): void {
    this.record.installed()
  }

  /** For the store alone: the op that writes the record as it is now. */
  recordOps(): RecordOp[] {
    return this.record.ops()
  }

  /** For the store alone: the record as it is now. */
  recordBytes(): Uint8Array {
    return encodeJson(this.record.value)
  }

  /** For the store alone: takes a move back that was cut short, where that can be done now; `isMoving` says so. */
  async settleMove(): Promise<void> {
    if (!this.isMoving) return
    try {
      await this.load()
      if (this.isMoving) await this.#gate.alone(() => undoMoveOf(this.#init, this.parts))
    } catch (err) {
      this.#init.log.warn('%s: its move could not be undone: %s', this.path, err instanceof Error ? err.message : err)
    }
  }

  /** For the store alone. Records what is left to record and closes all files. */
  async close(): Promise<void> {
    await this.#loading?.catch(() => {})
    if (this.#parts === undefined) return
    const { ledger, writer, files } = this.#parts
    try {
      if (!this.record.isDetached) await ledger.flush({ withinMs: LAST_RECORDING_MS })
    } finally {
      await ledger.drop()
      await writer.close()
      await files.close()
    }
    // else everything that was fetched is believed at the next start, as after a crash
    await noteClosed(this.#init, this.#parts).catch(() => {})
  }

  /** For the store alone: nothing of this root is recorded from here on. */
  async detach(): Promise<void> {
    this.record.detach()
    await this.#loading?.catch(() => {})
    await this.#parts?.ledger.drop()
  }

  /** Where a file turns out to be another than it was: that is looked into, and the work tried again. */
  async #whileFilesStay<T>(work: (parts: RootParts) => Promise<T>): Promise<T> {
    const { parts } = this
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#gate.pass(() => work(parts))
      } catch (err) {
        if (!(err instanceof SuspectFile)) throw err
        await parts.inspection.recheck(err)
        if (attempt === MAX_ATTEMPTS) throw changedError(err, parts.files.path(err.entry))
      }
    }
  }

  /** Of a fetch the tree is made at its end. */
  async #treeFaults(signal?: AbortSignal): Promise<TreeFault[]> {
    const { files } = this.parts
    return files.isPartial ? [] : await treeFaults(files, index => this.readNode(index), signal)
  }

  async #load(): Promise<void> {
    this.#adopt(await loadParts(this.#init, await this.#nodes.manifest()))
  }

  #adopt(parts: RootParts): void {
    this.#parts = parts
    this.record.follow(parts.ledger)
  }

  #goneError(): ShoalError {
    return new ShoalError('ERR_UNKNOWN_ROOT', `${this.cid} was removed from the store`)
  }
}
