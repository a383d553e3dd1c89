/** Writes verified pieces to every place where they belong, in sparse files of the temporary tree. */
import { dirname } from 'node:path'
import { fromSystemError, ShoalError, systemCode } from '../../base/errors.ts'
import { leafData } from '../dag-node.ts'
import { type DiskThreads, SYNCING_AT_ONCE } from '../disk/disk-threads.ts'
import { identityOf } from '../fingerprint.ts'
import type { Manifest } from '../manifest.ts'
import { probeTemp } from './destination.ts'
import type { Disk, DiskFile, FileStats } from './disk.ts'
import { FileHandles } from './file-handles.ts'
import { writeFully } from './full-io.ts'
import { eachLimited, inBatches } from './limit.ts'
import type { Envelope } from './records.ts'
import { type RootFiles, SuspectFile } from './root-files.ts'
import { SmallFileWriter } from './small-file-writer.ts'
import { SMALL_FILE_BYTES } from './sync-backlog.ts'

const MAX_WRITE_HANDLES = 64
const MAX_FILES_AT_ONCE = 16
/** Asked of `syncSmall` at once where there are no threads. */
const SYNC_BATCH_FILES = 32
/** From so many files and folders on, starting threads for the small ones pays. */
const WORTH_THREADS_FILES = 128

interface FileWrite {
  readonly position: number
  length: number
  readonly buffers: Uint8Array[]
}

/** What the writer tells the ledger, and asks it. */
export interface WriteLog {
  readonly have: { has(piece: number): boolean }
  throwFailure(): void
  wrote(
    pieces: readonly number[],
    entries: Iterable<number>,
    bytes: number,
    envelopes: ReadonlyMap<number, Envelope>
  ): Promise<void>
}

export class PieceWriter {
  readonly #manifest: Manifest
  readonly #files: RootFiles
  readonly #ledger: WriteLog
  readonly #handles: FileHandles
  /** By `identityOf`, of every file that was opened: two entries in one file are two names that the disk takes for one. */
  readonly #entryOf = new Map<string, number>()
  readonly #prepared = new Set<number>()
  /** Of the file system that the fetch lies on, once a file was opened. */
  #device: bigint | undefined

  readonly #small: SmallFileWriter | undefined

  constructor(manifest: Manifest, files: RootFiles, ledger: WriteLog, threads?: DiskThreads) {
    this.#manifest = manifest
    this.#files = files
    this.#ledger = ledger
    this.#handles = new FileHandles(MAX_WRITE_HANDLES, path => this.#open(path))
    if (threads !== undefined && manifest.entries.length >= WORTH_THREADS_FILES)
      this.#small = new SmallFileWriter(threads)
  }

  /**
   * @param buffers the blocks of pieces first … first + count - 1, one after another, verified
   * @throws ERR_MALFORMED_ROOT, ERR_NO_SPACE, ERR_NO_PERMISSION, ERR_READ_ONLY, ERR_IO
   */
  async write(first: number, count: number, buffers: readonly Uint8Array[]): Promise<void> {
    this.#ledger.throwFailure()
    const { pieces } = this.#manifest
    const total = buffers.reduce((sum, { byteLength }) => sum + byteLength, 0)
    if (pieces.index(first) === undefined || !(count >= 1) || first + count > pieces.count) {
      throw new ShoalError('ERR_BUG', `a write of ${count} pieces at ${first} leaves the content`)
    }
    if (total !== pieces.offset(first + count) - pieces.offset(first)) {
      throw new ShoalError('ERR_BUG', `a write of ${total} bytes for pieces ${first} to ${first + count - 1}`)
    }
    const cursor = new BufferCursor(buffers)
    const plan = new Map<number, FileWrite[]>()
    const envelopes = new Map<number, Envelope>()
    const written: number[] = []
    for (let piece = first; piece < first + count; piece++) {
      let parts = cursor.take(pieces.wireSize(piece))
      if (pieces.isDagPb(piece)) {
        const block = Buffer.concat(parts)
        const { offset, length } = leafData(block, pieces.dataSize(piece))
        envelopes.set(piece, { prefix: block.subarray(0, offset), suffix: block.subarray(offset + length) })
        parts = [block.subarray(offset, offset + length)]
      }
      for (const span of this.#manifest.spansOf(piece)) {
        if (span.length > 0) addWrite(plan, span.entry, span.fileOffset, span.length, parts)
      }
      written.push(piece)
    }
    const made = await this.#createSmall(plan)
    await eachLimited(plan, MAX_FILES_AT_ONCE, async ([entry, writes]) => {
      if (!made.has(entry)) await this.#writeFile(entry, writes)
    })
    await this.#ledger.wrote(written, plan.keys(), total, copied(envelopes))
  }

  /** Writes bytes that are no piece (inside a DAG node), or repairs one of a piece's places. */
  async writeData(entry: number, position: number, data: Uint8Array): Promise<void> {
    await this.#writeFile(entry, [{ position, length: data.byteLength, buffers: [data] }])
  }

  /** Makes the file, of its full size. */
  async touch(entry: number): Promise<void> {
    await this.#writeFile(entry, [])
  }

  /** Whatever has its name next is taken for the file, and the one that was written is left alone. */
  async forget(entry: number): Promise<void> {
    const identity = this.#files.identity(entry)
    if (identity !== undefined) this.#entryOf.delete(identity)
    this.#files.forgetIdentity(entry)
    this.#prepared.delete(entry)
    await this.#handles.forget(this.#files.path(entry))
  }

  /** The file's full size, whatever it has now. */
  async restore(entry: number): Promise<void> {
    this.#prepared.delete(entry)
    await this.#writeFile(entry, [])
  }

  /** fdatasync of the file. */
  async sync(entry: number): Promise<void> {
    const path = this.#files.path(entry)
    try {
      await this.#handles.use(path, async handle => {
        // Another file under this name would be synced without complaint.
        if (this.#files.isReplaced(entry, handle.stat())) throw new SuspectFile(entry, 'was replaced')
        await handle.datasync()
      })
    } catch (err) {
      throw asWriteError(err, path)
    }
  }

  /** Of how many small files {@link syncSmall} should be asked at once where so many wait. */
  syncBatch(waiting: number): number {
    return this.#small?.syncBatch(waiting) ?? SYNC_BATCH_FILES
  }

  /** Makes many durable. Returns what failed, by entry. */
  async syncSmall(entries: readonly number[]): Promise<Map<number, unknown>> {
    const failed = new Map<number, unknown>()
    if (this.#small !== undefined) {
      const files = entries.map(entry => ({ path: this.#files.path(entry), identity: this.#files.identity(entry) }))
      for (const [index, err] of await this.#small.sync(files)) {
        const entry = entries[index] ?? 0
        const gone = await this.checkDrive().then(
          () => undefined,
          (reason: unknown) => reason
        )
        const error = err === 'replaced' ? new SuspectFile(entry, 'was replaced') : err
        failed.set(entry, gone ?? asWriteError(error, this.#files.path(entry)))
      }
      return failed
    }
    await eachLimited(entries, MAX_FILES_AT_ONCE, async entry => {
      await this.sync(entry).catch((err: unknown) => failed.set(entry, err))
    })
    return failed
  }

  /** @throws what failed first */
  async syncAll(entries: Iterable<number>): Promise<void> {
    const all = [...entries]
    await eachLimited(inBatches(all, this.syncBatch(all.length)), SYNCING_AT_ONCE, async batch => {
      for (const err of (await this.syncSmall(batch)).values()) throw err
    })
  }

  /**
   * Whether the fetch can be written, as far as can be told without writing any of it.
   * @param missing bytes that are still to be fetched
   * @throws ERR_NO_SPACE, ERR_NO_PERMISSION, ERR_READ_ONLY, ERR_IO
   */
  async probe(missing: number): Promise<void> {
    const { disk, base } = this.#files
    await this.checkDrive()
    await probeTemp(disk, this.#manifest, { temp: base, missing })
  }

  async close(): Promise<void> {
    await this.#handles.closeAll()
  }

  async #open(path: string): Promise<DiskFile> {
    const { disk, base } = this.#files
    // Where the drive was is a folder of another file system now, and a single file would be made there.
    if (path === base) await this.checkDrive()
    try {
      return await disk.open(path, 'write')
    } catch (err) {
      if (IN_THE_WAY.has(systemCode(err) ?? '')) throw inTheWay(path, err)
      if (systemCode(err) !== 'ENOENT') throw err
      await this.checkDrive()
      await disk.mkdirs(dirname(path))
      return await disk.open(path, 'write')
    }
  }

  /** @throws ERR_IO where the fetch lay on a drive that is not there now, or in a folder that was deleted */
  async checkDrive(): Promise<void> {
    if (this.#device === undefined) return
    const { disk, base } = this.#files
    const parent = await disk.lstat(dirname(base)).catch(() => undefined)
    if (parent?.dev === this.#device) return
    const folder = dirname(base)
    if (parent === undefined && (await nearestAbove(disk, folder))?.dev === this.#device) {
      throw new ShoalError('ERR_IO', `the folder ${folder} was deleted, with what was fetched there`, {
        hint: 'make it again and run the same command again',
        details: { path: base }
      })
    }
    throw new ShoalError('ERR_IO', `the drive that ${base} was on is gone`, {
      hint: 'attach it again and run the same command again',
      details: { path: base }
    })
  }

  /** Makes whole small files that are not there yet. Returns the entries; the others are to be written as ever. */
  async #createSmall(plan: ReadonlyMap<number, readonly FileWrite[]>): Promise<ReadonlySet<number>> {
    const made = new Set<number>()
    if (this.#small === undefined) return made
    const whole = [...plan].flatMap(([entry, [write, ...more]]) => {
      const size = this.#files.size(entry)
      const isNew = this.#files.identity(entry) === undefined && !this.#prepared.has(entry)
      if (write === undefined || more.length > 0 || !isNew || size >= SMALL_FILE_BYTES) return []
      return write.position === 0 && write.length === size
        ? [{ entry, path: this.#files.path(entry), buffers: write.buffers, size }]
        : []
    })
    if (whole.length === 0) return made
    const folder = dirname(this.#files.base)
    const drive = this.#device === undefined ? undefined : { folder, dev: this.#device }
    for (const [index, identity] of (await this.#small.create(whole, drive)).entries()) {
      const entry = whole[index]?.entry
      if (identity === null || entry === undefined) continue
      this.#entryOf.set(identity, entry)
      this.#files.identify(entry, identity)
      this.#prepared.add(entry)
      this.#files.names.add(this.#files.path(entry), this.#files.base)
      made.add(entry)
      this.#device ??= (await this.#files.disk.lstat(this.#files.path(entry)).catch(() => undefined))?.dev
    }
    return made
  }

  #holdsAny(entry: number): boolean {
    for (const { piece, length } of this.#files.spans(entry)) {
      if (length > 0 && this.#ledger.have.has(piece)) return true
    }
    return false
  }

  /** @throws SuspectFile where another file has its name */
  async #writeFile(entry: number, writes: readonly FileWrite[]): Promise<void> {
    const path = this.#files.path(entry)
    const write = async (handle: DiskFile) => {
      if (this.#files.isReplaced(entry, handle.stat())) {
        this.#prepared.delete(entry)
        throw new SuspectFile(entry, 'was replaced')
      }
      if (!this.#prepared.has(entry)) await this.#prepare(entry, handle, path, writes)
      for (const { position, length, buffers } of writes) await writeFully(handle, buffers, position, length)
    }
    try {
      await this.#handles.use(path, write).catch(async err => {
        if (!(err instanceof SuspectFile)) throw err
        // It may only be the open handle that is of an older file.
        await this.#handles.use(path, write)
      })
    } catch (err) {
      throw asWriteError(err, path)
    }
  }

  async #prepare(entry: number, handle: DiskFile, path: string, writes: readonly FileWrite[]): Promise<void> {
    const stats = handle.stat()
    if (!stats.isFile()) throw inTheWay(path)
    const identity = identityOf(stats)
    const other = this.#entryOf.get(identity)
    if (other !== undefined && other !== entry) {
      throw new ShoalError(
        'ERR_EXISTS',
        `this file system takes two names for one: ${path} and ${this.#files.path(other)}`,
        { hint: 'fetch to a file system that keeps upper and lower case apart', details: { path } }
      )
    }
    this.#entryOf.set(identity, entry)
    this.#device ??= stats.dev
    this.#files.identify(entry, identity)
    this.#files.names.add(path, this.#files.base)
    const size = this.#files.size(entry)
    // Made anew just now, and filled up it would pass for the file that it was.
    if (size > 0 && stats.size === 0n && this.#holdsAny(entry)) throw new SuspectFile(entry, 'was deleted')
    // A write up to the end gives the file its size: one call less for each of many small files.
    const grows = Number(stats.size) < size && writes.some(({ position, length }) => position + length === size)
    if (Number(stats.size) !== size && !grows) await handle.truncate(size)
    this.#prepared.add(entry)
  }
}

/** What opening a folder, a symbolic link or a FIFO without a reader ends with. */
const IN_THE_WAY: ReadonlySet<string> = new Set(['EISDIR', 'ELOOP', 'ENXIO'])

function inTheWay(path: string, cause?: unknown): ShoalError {
  return new ShoalError('ERR_EXISTS', `${path} is in the way of a file that is being fetched`, {
    cause,
    hint: 'move it away and run the same command again'
  })
}

function asWriteError(err: unknown, path: string): Error {
  return err instanceof SuspectFile ? err : fromSystemError(err, path)
}

/** Neighbours in the same file become one write. */
function addWrite(
  plan: Map<number, FileWrite[]>,
  entry: number,
  position: number,
  length: number,
  parts: readonly Uint8Array[]
): void {
  const writes = plan.get(entry) ?? []
  plan.set(entry, writes)
  const last = writes.at(-1)
  if (last !== undefined && last.position + last.length === position) {
    last.buffers.push(...parts)
    last.length += length
  } else writes.push({ position, length, buffers: [...parts] })
}

/** The envelopes outlive the blocks that they are views of. */
function copied(envelopes: ReadonlyMap<number, Envelope>): Map<number, Envelope> {
  return new Map(
    [...envelopes].map(([piece, { prefix, suffix }]) => [
      piece,
      { prefix: Uint8Array.from(prefix), suffix: Uint8Array.from(suffix) }
    ])
  )
}

/** Cuts views off a list of buffers. */
class BufferCursor {
  readonly #buffers: readonly Uint8Array[]
  #index = 0
  #at = 0

  constructor(buffers: readonly Uint8Array[]) {
    this.#buffers = buffers
  }

  take(length: number): Uint8Array[] {
    const parts: Uint8Array[] = []
    let rest = length
    while (rest > 0) {
      const buffer = this.#buffers[this.#index]
      if (buffer === undefined) break
      const part = buffer.subarray(this.#at, this.#at + rest)
      if (part.byteLength > 0) parts.push(part)
      rest -= part.byteLength
      this.#at += part.byteLength
      if (this.#at < buffer.byteLength) break
      this.#index += 1
      this.#at = 0
    }
    return parts
  }
}

/** The nearest folder above that is there. */
async function nearestAbove(disk: Disk, path: string): Promise<FileStats | undefined> {
  const above = dirname(path)
  const stats = await disk.lstat(above).catch(() => undefined)
  return stats !== undefined || above === path ? stats : await nearestAbove(disk, above)
}
