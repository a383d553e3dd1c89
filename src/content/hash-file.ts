/**
 * Hashes one file where it lies. Chunks are read and hashed on the thread pool, several at a time, so that more than
 * one core works and this thread stays free for whatever else the node does.
 */
import { hash, webcrypto } from 'node:crypto'
import { ShoalError, systemCode, throwIfAborted } from '../base/errors.ts'
import type { BufferPool } from './buffer-pool.ts'
import type { FileLink, NodeSink } from './dag-link.ts'
import { closeDisk, openDisk, readDisk, statDisk } from './disk-file.ts'
import { CHUNK_BYTES, FileBuilder } from './file-builder.ts'
import { type FileFingerprint, fingerprintOf, sameFingerprint } from './fingerprint.ts'

/** Chunks of one file that are being read or hashed. The thread pool has four threads. */
const CHUNKS_AT_ONCE = 6
/** Below this, hashing right here is quicker than handing over. Measured: 4 KiB take 6 µs here, 60 µs through the pool. */
const OFF_THREAD_BYTES = 64 * 1024
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
  /** Never rejects: it runs ahead of whoever waits for it. Undefined where the file was shorter. */
  readonly digest: Promise<Uint8Array | Error | undefined>
}

/** Adds every chunk as a leaf. Returns the bytes that were there, fewer than `size` where the file has shrunk. */
async function hashChunks(fd: number, size: number, builder: FileBuilder, context: HashContext): Promise<number> {
  const { pool, signal, onBytes } = context
  const ahead: Chunk[] = []
  let asked = 0
  let hashed = 0
  try {
    while (hashed < size) {
      while (asked < size && ahead.length < CHUNKS_AT_ONCE) {
        const buffer = ahead.length === 0 ? await pool.take() : pool.tryTake()
        if (buffer === undefined) break
        const length = Math.min(CHUNK_BYTES, size - asked)
        ahead.push({ buffer, length, digest: digestAt(fd, buffer, length, asked) })
        asked += length
      }
      const [chunk] = ahead
      if (chunk === undefined) break
      const digest = await chunk.digest
      throwIfAborted(signal)
      if (digest instanceof Error) throw digest
      if (digest === undefined) break
      builder.addLeaf(digest, chunk.length)
      hashed += chunk.length
      onBytes(chunk.length)
      ahead.shift()
      pool.give(chunk.buffer)
    }
  } finally {
    await Promise.all(ahead.map(chunk => chunk.digest))
    for (const chunk of ahead) pool.give(chunk.buffer)
  }
  return hashed
}

async function digestAt(
  fd: number,
  buffer: Buffer,
  length: number,
  position: number
): Promise<Uint8Array | Error | undefined> {
  try {
    if ((await readDisk(fd, buffer, length, position)) < length) return undefined
    const bytes = buffer.subarray(0, length)
    if (length < OFF_THREAD_BYTES) return hash('sha256', bytes, 'buffer')
    return new Uint8Array(await webcrypto.subtle.digest('SHA-256', bytes))
  } catch (err) {
    return err instanceof Error ? err : new ShoalError('ERR_BUG', String(err))
  }
}
