/** Hashes a file or folder where it lies, without a copy, and gives what the store and the swarm need of it. */
import { realpath, stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { CID } from 'multiformats/cid'
import { fromSystemError, ShoalError, throwIfAborted } from '../base/errors.ts'
import { MIB } from '../base/units.ts'
import { LocalHasher, ThreadedHasher } from './chunk-hasher.ts'
import { RAW } from './cid.ts'
import type { NodeSink } from './dag-link.ts'
import { buildDirectory, buildSymlink, type NamedLink } from './directory-builder.ts'
import { borrowDiskThreads, type DiskThreads, HASHING_AT_ONCE } from './disk/disk-threads.ts'
import type { FileFingerprint } from './fingerprint.ts'
import { type HashContext, type HashedFile, hashFile } from './hash-file.ts'
import { HashJournal } from './hash-journal.ts'
import { batchSmallFiles, hashBatch } from './hash-small-files.ts'
import type { Manifest } from './manifest.ts'
import { ManifestAssembler, rawRootManifest } from './manifest-assembler.ts'
import { type FolderIdentity, folderIdentity, refuseDataDir } from './own-data-dir.ts'
import { printable } from './safe-path.ts'
import { type ScannedFolder, type Skipped, scanFolder, skipReason } from './scan.ts'
import { drainQueue } from './work-queue.ts'

export type { Skipped } from './scan.ts'

export interface IngestProgress {
  /** Bytes hashed so far. */
  readonly bytes: number
  /** Bytes known to be there; grows while the folder is walked. */
  readonly totalBytes: number
  /** Files hashed so far. */
  readonly files: number
}

export interface IngestOptions {
  /** Include names that begin with a dot. Default true. What the user names is taken in any case. */
  hidden?: boolean
  signal?: AbortSignal
  /**
   * The data folder: what is hashed is noted there as it goes, so that the same call after an interruption hashes only
   * the rest (what has the same size, times and inode). Not made when absent, and not locked. What is in it is never
   * taken, but for its cache. Default: nothing is noted.
   */
  dataDir?: string | undefined
  /** Called at most every 100 ms, and once at the end. */
  onProgress?: (progress: IngestProgress) => void
}

export interface Ingested {
  readonly manifest: Manifest
  /**
   * DAG-node blocks in node index order. Empty for a raw root (a file of at most 1 MiB): its only block is piece 0,
   * whose bytes are the file.
   */
  readonly blocks: readonly Uint8Array[]
  /** By index into `manifest.entries`; every file entry has one, no other entry does. */
  readonly fingerprints: ReadonlyMap<number, FileFingerprint>
  /** In order of paths. */
  readonly skipped: readonly Skipped[]
  /** Absolute, symbolic links of the top-level path resolved. */
  readonly path: string
}

const PROGRESS_EVERY_MS = 100
/** Files open at once, of those that are hashed one by one. */
const FILES_AT_ONCE = 12
/** From either on, starting threads (some 30 ms) pays. */
const WORTH_THREADS_BYTES = 64 * MIB
const WORTH_THREADS_FILES = 256
/** Large files and batches of small ones under way: more than there are threads, so that none waits for this one. */
const WORKS_AT_ONCE = 2 * HASHING_AT_ONCE

/**
 * On the cores there are (at most 8 threads) where there is much to hash. Memory: 12 MiB of buffers or one for each
 * thread, the DAG nodes (50 bytes a piece), and some hundred bytes a file, whatever their sizes. At most 12 files are
 * open, and one more a thread.
 * @throws ERR_PATH_NOT_FOUND, ERR_NOT_FILE_OR_FOLDER (socket, FIFO, device: never opened), ERR_NO_PERMISSION,
 * ERR_SYMLINK_LOOP, ERR_FILE_CHANGED (a single file), ERR_USAGE (it lies in the data folder), ERR_ABORTED. What cannot be
 * read inside a folder is skipped
 */
export async function ingest(path: string, options: IngestOptions = {}): Promise<Ingested> {
  const asked = resolve(path)
  throwIfAborted(options.signal)
  const progress = new Progress(options.onProgress)
  const lease = borrowDiskThreads()
  let journal: HashJournal | undefined
  try {
    const real = await realpath(asked)
    const stats = await stat(real)
    if (!stats.isFile() && !stats.isDirectory()) {
      throw new ShoalError('ERR_NOT_FILE_OR_FOLDER', `${asked} is neither a file nor a folder`, {
        hint: 'only regular files and folders can be shared'
      })
    }
    const dataDir = options.dataDir === undefined ? undefined : await folderIdentity(options.dataDir)
    if (dataDir !== undefined) await refuseDataDir(real, asked, dataDir)
    if (options.dataDir !== undefined) journal = await HashJournal.open(options.dataDir, real)
    const begun = { path: real, progress, options, journal, dataDir }
    if (stats.isFile()) progress.found(stats.size)
    const ingested = stats.isFile()
      ? await ingestFile(begun, stats.size, lease?.threads)
      : await ingestFolder(begun, lease?.threads)
    await journal?.discard()
    return ingested
  } catch (err) {
    throw fromSystemError(err, asked)
  } finally {
    await lease?.release()
    await journal?.close()
  }
}

interface Begun {
  readonly path: string
  readonly progress: Progress
  readonly options: IngestOptions
  readonly journal: HashJournal | undefined
  readonly dataDir: FolderIdentity | undefined
}

async function ingestFile(begun: Begun, size: number, lent: DiskThreads | undefined): Promise<Ingested> {
  const { path, progress } = begun
  const nodes = new Nodes()
  const file = await hashFile(path, contextOf(begun, nodes, size >= WORTH_THREADS_BYTES ? lent : undefined))
  progress.fileDone()
  const { manifest, blocks } = nodes.assemble(file.link.cid, file.link.fileSize)
  progress.end()
  return { manifest, blocks, fingerprints: new Map([[0, file.fingerprint]]), skipped: [], path }
}

async function ingestFolder(begun: Begun, lent: DiskThreads | undefined): Promise<Ingested> {
  const { path, progress, dataDir } = begun
  const { hidden, signal } = begun.options
  const onFile = (bytes: number) => progress.found(bytes)
  const scan = await scanFolder(path, { hidden, signal, dataDir, threads: lent, onFile })
  const nodes = new Nodes()
  const hashed = new Map<string, HashedFile>()
  const result = {
    onHashed: (file: string, done: HashedFile) => {
      hashed.set(file, done)
      progress.fileDone()
    },
    onFailed: (file: string, err: unknown) => {
      scan.skipped.push({ path: printable(file), reason: skipReason(err) })
    }
  }
  const isMuch = progress.totalBytes >= WORTH_THREADS_BYTES || scan.files.length >= WORTH_THREADS_FILES
  const threads = isMuch ? lent : undefined
  const context = contextOf(begun, nodes, threads)
  const { batches, large } = threads === undefined ? { batches: [], large: scan.files } : batchSmallFiles(scan.files)
  const works = [
    ...large.map(file => async () => {
      const done = await hashFile(`${path}/${file.path}`, context).catch((err: unknown) => {
        result.onFailed(file.path, err)
      })
      if (done !== undefined) result.onHashed(file.path, done)
    }),
    ...batches.map(batch => async () => {
      if (threads !== undefined) await hashBatch(threads, { base: path, batch }, context, result)
    })
  ]
  await drainQueue(works.reverse(), threads === undefined ? FILES_AT_ONCE : WORKS_AT_ONCE, async work => {
    throwIfAborted(signal)
    await work()
  })
  const root = await buildFolder(scan.root, hashed, nodes.sink)
  throwIfAborted(signal)
  const { manifest, blocks } = nodes.assemble(root.cid, 0)
  const fingerprints = new Map<number, FileFingerprint>()
  manifest.entries.forEach((entry, index) => {
    const file = hashed.get(entry.path)
    if (entry.kind === 'file' && file !== undefined) fingerprints.set(index, file.fingerprint)
  })
  progress.end()
  const skipped = scan.skipped.sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0))
  return { manifest, blocks, fingerprints, skipped, path }
}

async function buildFolder(
  folder: ScannedFolder,
  hashed: ReadonlyMap<string, HashedFile>,
  sink: NodeSink
): Promise<NamedLink> {
  const links: NamedLink[] = []
  for (const child of folder.children) {
    switch (child.kind) {
      case 'folder':
        links.push(await buildFolder(child, hashed, sink))
        break
      case 'symlink':
        links.push({ ...buildSymlink(child.target, sink), name: child.name })
        break
      case 'file': {
        const file = hashed.get(child.path)
        if (file !== undefined) links.push({ cid: file.link.cid, tsize: file.link.tsize, name: child.name })
      }
    }
  }
  return { ...(await buildDirectory(links, sink)), name: folder.name }
}

function contextOf({ progress, options, journal }: Begun, nodes: Nodes, threads: DiskThreads | undefined): HashContext {
  return {
    hasher: threads === undefined ? new LocalHasher() : new ThreadedHasher(threads),
    sink: nodes.sink,
    signal: options.signal,
    journal,
    onBytes: bytes => progress.hashed(bytes)
  }
}

/** The DAG nodes as the builders make them, children first, each once. */
class Nodes {
  readonly #blocks = new Map<string, Uint8Array>()

  readonly sink: NodeSink = (cid, block) => {
    this.#blocks.set(keyOf(cid), block)
  }

  /** Puts them in node index order. @param size bytes of the file, needed where the root is raw */
  assemble(root: CID, size: number): { manifest: Manifest; blocks: readonly Uint8Array[] } {
    if (root.code === RAW) return { manifest: rawRootManifest(root, size), blocks: [] }
    const assembler = new ManifestAssembler(root)
    try {
      for (let cid = assembler.nextCid; cid !== undefined; cid = assembler.nextCid) {
        const block = this.#blocks.get(keyOf(cid))
        if (block === undefined) throw new ShoalError('ERR_BUG', `DAG node ${cid} was not built`)
        assembler.add(block)
      }
      return { manifest: assembler.finish(), blocks: assembler.blocks() }
    } catch (err) {
      if (!(err instanceof ShoalError) || err.code !== 'ERR_MALFORMED_ROOT') throw err
      throw new ShoalError('ERR_USAGE', `too much to share at once: ${err.message}`, {
        cause: err,
        hint: 'share its subfolders one by one'
      })
    }
  }
}

function keyOf(cid: CID): string {
  return Buffer.from(cid.multihash.digest).toString('latin1')
}

class Progress {
  readonly #report: IngestOptions['onProgress']
  #bytes = 0
  #totalBytes = 0
  #files = 0
  #lastMs = Number.NEGATIVE_INFINITY

  constructor(report: IngestOptions['onProgress']) {
    this.#report = report
  }

  get totalBytes(): number {
    return this.#totalBytes
  }

  found(bytes: number): void {
    this.#totalBytes += bytes
    this.#tell()
  }

  hashed(bytes: number): void {
    this.#bytes += bytes
    this.#tell()
  }

  fileDone(): void {
    this.#files += 1
    this.#tell()
  }

  end(): void {
    this.#totalBytes = this.#bytes
    this.#lastMs = Number.NEGATIVE_INFINITY
    this.#tell()
  }

  #tell(): void {
    if (this.#report === undefined) return
    const now = performance.now()
    if (now - this.#lastMs < PROGRESS_EVERY_MS) return
    this.#lastMs = now
    const totalBytes = Math.max(this.#totalBytes, this.#bytes)
    this.#report({ bytes: this.#bytes, totalBytes, files: this.#files })
  }
}
