/** Hashes one file where it lies, several chunks at a time, and makes sure that it stayed the same meanwhile. */
import { ShoalError, systemCode, throwIfAborted } from '../base/errors.ts'
import type { ChunkHasher } from './chunk-hasher.ts'
import type { FileLink, NodeSink } from './dag-link.ts'
import { closeDisk, openDisk, statDisk } from './disk-file.ts'
import { CHUNK_BYTES, FileBuilder } from './file-builder.ts'
import { type FileFingerprint, fingerprintOf, sameFingerprint } from './fingerprint.ts'

/** Chunks of one file that are under way. */
const CHUNKS_AT_ONCE = 4
/** A file that changes while it is read is tried so many times in all. */
const ATTEMPTS = 3

export interface HashedFile {
  readonly link: FileLink
  readonly fingerprint: FileFingerprint
}

export interface HashContext {
  readonly hasher: ChunkHasher
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
  readonly length: number
  /** Never rejects: it runs ahead of whoever waits for it. Undefined where the file was shorter. */
  readonly digest: Promise<Uint8Array | undefined | { readonly failure: unknown }>
}

/** Adds every chunk as a leaf. Returns the bytes that were there, fewer than `size` where the file has shrunk. */
async function hashChunks(fd: number, size: number, builder: FileBuilder, context: HashContext): Promise<number> {
  const { hasher, signal, onBytes } = context
  const ahead: Chunk[] = []
  let asked = 0
  let hashed = 0
  try {
    while (hashed < size) {
      while (asked < size && ahead.length < CHUNKS_AT_ONCE) {
        const length = Math.min(CHUNK_BYTES, size - asked)
        const digest = hasher.hashChunk(fd, asked, length).catch((failure: unknown) => ({ failure }))
        ahead.push({ length, digest })
        asked += length
      }
      const chunk = ahead.shift()
      if (chunk === undefined) break
      const digest = await chunk.digest
      throwIfAborted(signal)
      if (digest === undefined) break
      if ('failure' in digest) throw digest.failure
      builder.addLeaf(digest, chunk.length)
      hashed += chunk.length
      onBytes(chunk.length)
    }
  } finally {
    await Promise.all(ahead.map(chunk => chunk.digest))
  }
  return hashed
}
