/** Hashes a file or folder where it lies, without a copy, and gives what the store and the swarm need of it. */
import { realpath, stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { CID } from 'multiformats/cid'
import { fromSystemError, ShoalError, throwIfAborted } from '../base/errors.ts'
import { type ChunkHasher, createChunkHasher } from './chunk-hasher.ts'
import { RAW } from './cid.ts'
import type { NodeSink } from './dag-link.ts'
import { buildDirectory, buildSymlink, type NamedLink } from './directory-builder.ts'
import type { FileFingerprint } from './fingerprint.ts'
import { type HashContext, type HashedFile, hashFile } from './hash-file.ts'
import type { Manifest } from './manifest.ts'
import { ManifestAssembler, rawRootManifest } from './manifest-assembler.ts'
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
const FILES_AT_ONCE = 12

/**
 * Memory: 12 MiB of buffers, two threads where there is much to hash, the DAG nodes (50 bytes a piece), and some hundred bytes a file, whatever their sizes.
 * @throws ERR_PATH_NOT_FOUND, ERR_NOT_FILE_OR_FOLDER (socket, FIFO, device: never opened), ERR_NO_PERMISSION,
 * ERR_SYMLINK_LOOP, ERR_FILE_CHANGED (a single file), ERR_ABORTED. What cannot be read inside a folder is skipped
 */
export async function ingest(path: string, options: IngestOptions = {}): Promise<Ingested> {
  const asked = resolve(path)
  throwIfAborted(options.signal)
  const progress = new Progress(options.onProgress)
  try {
    const real = await realpath(asked)
    const stats = await stat(real)
    if (stats.isFile()) {
      progress.found(stats.size)
      return await withHasher(stats.size, hasher => ingestFile(real, hasher, progress, options))
    }
    if (stats.isDirectory()) return await ingestFolder(real, progress, options)
  } catch (err) {
    throw fromSystemError(err, asked)
  }
  throw new ShoalError('ERR_NOT_FILE_OR_FOLDER', `${asked} is neither a file nor a folder`, {
    hint: 'only regular files and folders can be shared'
  })
}

async function ingestFile(
  path: string,
  hasher: ChunkHasher,
  progress: Progress,
  options: IngestOptions
): Promise<Ingested> {
  const nodes = new Nodes()
  const file = await hashFile(path, contextOf(nodes, hasher, progress, options))
  progress.fileDone()
  const { manifest, blocks } = nodes.assemble(file.link.cid, file.link.fileSize)
  progress.end()
  return { manifest, blocks, fingerprints: new Map([[0, file.fingerprint]]), skipped: [], path }
}

async function ingestFolder(path: string, progress: Progress, options: IngestOptions): Promise<Ingested> {
  const { hidden, signal } = options
  const scan = await scanFolder(path, { hidden, signal, onFile: bytes => progress.found(bytes) })
  const nodes = new Nodes()
  const hashed = new Map<string, HashedFile>()
  await withHasher(progress.totalBytes, async hasher => {
    const context = contextOf(nodes, hasher, progress, options)
    await drainQueue(scan.files.toReversed(), FILES_AT_ONCE, async file => {
      throwIfAborted(signal)
      try {
        hashed.set(file.path, await hashFile(`${path}/${file.path}`, context))
        progress.fileDone()
      } catch (err) {
        scan.skipped.push({ path: printable(file.path), reason: skipReason(err) })
      }
    })
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

async function withHasher<T>(totalBytes: number, use: (hasher: ChunkHasher) => Promise<T>): Promise<T> {
  const hasher = createChunkHasher(totalBytes)
  try {
    return await use(hasher)
  } finally {
    await hasher.close()
  }
}

function contextOf(nodes: Nodes, hasher: ChunkHasher, progress: Progress, options: IngestOptions): HashContext {
  return {
    hasher,
    sink: nodes.sink,
    signal: options.signal,
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
