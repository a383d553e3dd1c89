/** Hashes one file where it lies: reads run ahead on the thread pool while this thread hashes. */
import { hash } from 'node:crypto'
import { ShoalError, systemCode, throwIfAborted } from '../base/errors.ts'
import type { BufferPool } from './buffer-pool.ts'
import type { FileLink, NodeSink } from './dag-link.ts'
import { closeDisk, openDisk, readDisk, statDisk } from './disk-file.ts'
import { CHUNK_BYTES, FileBuilder } from './file-builder.ts'
import { type FileFingerprint, fingerprintOf, sameFingerprint } from './fingerprint.ts'

/** Chunks of one file that are being read or wait to be hashed. */
const READ_AHEAD = 4
/** A file that changes while it is read is tried so many times in all. */
const ATTEMPTS = 3

export interface HashedFile {
  readonly link: FileLink
  readonly fingerprint: FileFingerprint
}

export interface HashContext {
  /** Buffers of CHUNK_BYTES. */
  readonly pool: BufferPool
  readonly sink: NodeSink
  readonly signal?: AbortSignal | undefined
  /** Bytes hashed; negative when a file is begun again. */
  readonly onBytes: (bytes: number) => void
}

/**
 * @param path of what was seen to be a regular file; a symbolic link is not followed
 * @throws ERR_FILE_CHANGED where it kept changing or is no regular file any more; system errors as they are
 */
export async function hashFile(path: string, context: HashContext): Promise<HashedFile> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const hashed = await tryHash(path, context)
    if (hashed !== undefined) return hashed
  }
  throw fileChanged(path)
}

export function fileChanged(path: string, cause?: unknown): ShoalError {
  return new ShoalError('ERR_FILE_CHANGED', `${path} changed while it was read`, {
    ...(cause === undefined ? {} : { cause }),
    hint: 'run the same command again when nothing writes to it'
  })
}

/** Undefined where the file changed. */
async function tryHash(path: string, context: HashContext): Promise<HashedFile | undefined> {
  const fd = await openDisk(path).catch((err: unknown) => {
    throw systemCode(err) === 'ELOOP' || systemCode(err) === 'ENXIO' ? fileChanged(path, err) : err
  })
  try {
    const stats = await statDisk(fd)
    if (!stats.isFile()) throw fileChanged(path)
    const before = fingerprintOf(stats)
    const nodes: Array<Parameters<NodeSink>> = []
    const builder = new FileBuilder((cid, block) => nodes.push([cid, block]))
    const bytes = await hashChunks(fd, before.size, builder, context)
    const same = bytes === before.size && sameFingerprint(before, fingerprintOf(await statDisk(fd)))
    if (!same) {
      context.onBytes(-bytes)
      return undefined
    }
    const link = builder.finish()
    for (const node of nodes) context.sink(...node)
    return { link, fingerprint: before }
  } finally {
    await closeDisk(fd)
  }
}

interface Chunk {
  readonly buffer: Buffer
  readonly length: number
  readonly read: Promise<number | Error>
}

/** Adds every chunk as a leaf. Returns the bytes that were there, fewer than `size` where the file has shrunk. */
async function hashChunks(fd: number, size: number, builder: FileBuilder, context: HashContext): Promise<number> {
  const { pool, signal, onBytes } = context
  const ahead: Chunk[] = []
  let asked = 0
  let hashed = 0
  try {
    while (hashed < size) {
      while (asked < size && ahead.length < READ_AHEAD) {
        const buffer = ahead.length === 0 ? await pool.take() : pool.tryTake()
        if (buffer === undefined) break
        const length = Math.min(CHUNK_BYTES, size - asked)
        ahead.push({ buffer, length, read: readDisk(fd, buffer, length, asked) })
        asked += length
      }
      const [chunk] = ahead
      if (chunk === undefined) break
      const got = await chunk.read
      throwIfAborted(signal)
      if (typeof got !== 'number') throw got
      if (got < chunk.length) break
      builder.addLeaf(hash('sha256', chunk.buffer.subarray(0, got), 'buffer'), got)
      hashed += got
      onBytes(got)
      ahead.shift()
      pool.give(chunk.buffer)
    }
  } finally {
    await Promise.all(ahead.map(chunk => chunk.read))
    for (const chunk of ahead) pool.give(chunk.buffer)
  }
  return hashed
}
