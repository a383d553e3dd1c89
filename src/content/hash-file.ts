/** Hashes one file where it lies, several chunks at a time, and makes sure that it stayed the same meanwhile. */
import { ShoalError, systemCode, throwIfAborted } from '../base/errors.ts'
import { type ChunkHasher, GROUP_BYTES } from './chunk-hasher.ts'
import type { FileLink, NodeSink } from './dag-link.ts'
import { DIGEST_BYTES, digestAt } from './disk/disk-jobs.ts'
import { closeDisk, openDisk, readDisk, statDisk } from './disk-file.ts'
import { CHUNK_BYTES, FileBuilder } from './file-builder.ts'
import { type FileFingerprint, fingerprintOf, sameFingerprint } from './fingerprint.ts'
import type { HashJournal } from './hash-journal.ts'

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
  /** What an earlier run hashed, and what this one does. */
  readonly journal?: HashJournal | undefined
  /** Bytes hashed; negative when a file is begun again. */
  readonly onBytes: (bytes: number) => void
}

/**
 * @param path absolute, of what was seen to be a regular file; a symbolic link is not followed
 * @throws ERR_FILE_CHANGED where it kept changing, is no regular file any more, or has bytes beyond its size (as those of
 * /proc have, whose size is 0); system errors as they are
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
    const bytes = await hashChunks({ path, fd, print: before }, builder, context)
    const beyond = await readDisk(fd, Buffer.alloc(1), 1, before.size)
    const same = bytes === before.size && sameFingerprint(before, fingerprintOf(await statDisk(fd)))
    if (!same) {
      context.onBytes(-bytes)
      return undefined
    }
    if (beyond > 0) {
      context.onBytes(-bytes)
      throw new ShoalError('ERR_FILE_CHANGED', `${path} has more bytes than its size says, ${before.size}`, {
        hint: 'copy it, and take the copy'
      })
    }
    const link = builder.finish()
    for (const node of nodes) context.sink(...node)
    return { link, fingerprint: before }
  } finally {
    await closeDisk(fd)
  }
}

interface OpenedFile {
  readonly path: string
  readonly fd: number
  readonly print: FileFingerprint
}

interface Group {
  readonly length: number
  /** Never rejects: it runs ahead of whoever waits for it. Undefined where the file was shorter. */
  readonly digests: Promise<Uint8Array | undefined | { readonly failure: unknown }>
}

/** Adds every chunk as a leaf. Returns the bytes that were there, fewer than its size where the file has shrunk. */
async function hashChunks(file: OpenedFile, builder: FileBuilder, context: HashContext): Promise<number> {
  const { hasher, signal, journal, onBytes } = context
  const { size } = file.print
  const ahead: Group[] = []
  let hashed = 0
  const take = (digests: Uint8Array) => {
    for (let chunk = 0; chunk < digests.byteLength / DIGEST_BYTES; chunk++) {
      const length = Math.min(CHUNK_BYTES, size - hashed)
      builder.addLeaf(digestAt(digests, chunk), length)
      hashed += length
      onBytes(length)
    }
  }
  take(journal?.find(file.path, file.print) ?? new Uint8Array(0))
  let asked = hashed
  try {
    while (hashed < size) {
      while (asked < size && ahead.length < hasher.width) {
        const length = Math.min(GROUP_BYTES, size - asked)
        const digests = hasher.hashGroup(file.fd, asked, length).catch((failure: unknown) => ({ failure }))
        ahead.push({ length, digests })
        asked += length
      }
      const group = ahead.shift()
      if (group === undefined) break
      const digests = await group.digests
      throwIfAborted(signal)
      if (digests === undefined) break
      if ('failure' in digests) throw digests.failure
      await journal?.add(file.path, file.print, hashed / CHUNK_BYTES, digests)
      take(digests)
    }
  } finally {
    await Promise.all(ahead.map(group => group.digests))
  }
  return hashed
}
