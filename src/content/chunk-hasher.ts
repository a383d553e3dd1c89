/**
 * Reads chunks of open files and hashes them: small amounts right here, large ones on disk threads, which read into
 * buffers of their own so that nothing is copied between threads and this one stays free for the rest of the node.
 */
import { hash } from 'node:crypto'
import { BufferPool } from './buffer-pool.ts'
import { DIGEST_BYTES } from './disk/disk-jobs.ts'
import { type DiskThreads, HASHING_AT_ONCE } from './disk/disk-threads.ts'
import { readDisk } from './disk-file.ts'
import { CHUNK_BYTES } from './file-builder.ts'

/** What is asked for together: few enough bytes to end soon, enough to pay for the asking. */
export const GROUP_BYTES = 4 * CHUNK_BYTES

export interface ChunkHasher {
  /** Groups of one file worth asking for at once. */
  readonly width: number
  /**
   * SHA-256 of each chunk of `length` bytes (1 to GROUP_BYTES) at `position`, a multiple of CHUNK_BYTES: 32 bytes each,
   * the last chunk may be shorter. Undefined where the file ends before. The descriptor must stay open until it
   * settles. Rejects with the system error.
   */
  hashGroup(fd: number, position: number, length: number): Promise<Uint8Array | undefined>
}

export class LocalHasher implements ChunkHasher {
  readonly width = 1
  readonly #pool = new BufferPool(GROUP_BYTES / CHUNK_BYTES, CHUNK_BYTES)

  async hashGroup(fd: number, position: number, length: number): Promise<Uint8Array | undefined> {
    const digests = new Uint8Array(Math.ceil(length / CHUNK_BYTES) * DIGEST_BYTES)
    const isWhole = await Promise.all(
      Array.from({ length: digests.byteLength / DIGEST_BYTES }, async (_, chunk) => {
        const from = chunk * CHUNK_BYTES
        const digest = await this.#hashChunk(fd, position + from, Math.min(CHUNK_BYTES, length - from))
        if (digest !== undefined) digests.set(digest, chunk * DIGEST_BYTES)
        return digest !== undefined
      })
    )
    return isWhole.every(Boolean) ? digests : undefined
  }

  async #hashChunk(fd: number, position: number, length: number): Promise<Uint8Array | undefined> {
    const buffer = await this.#pool.take()
    try {
      const got = await readDisk(fd, buffer, length, position)
      return got < length ? undefined : hash('sha256', buffer.subarray(0, length), 'buffer')
    } finally {
      this.#pool.give(buffer)
    }
  }
}

export class ThreadedHasher implements ChunkHasher {
  /** So that no thread waits for this one to ask again. */
  readonly width = 2 * HASHING_AT_ONCE
  readonly #threads: DiskThreads

  constructor(threads: DiskThreads) {
    this.#threads = threads
  }

  async hashGroup(fd: number, position: number, length: number): Promise<Uint8Array | undefined> {
    const count = Math.ceil(length / CHUNK_BYTES)
    const positions = Float64Array.from({ length: count }, (_, i) => position + i * CHUNK_BYTES)
    const lengths = Uint32Array.from({ length: count }, (_, i) => Math.min(CHUNK_BYTES, length - i * CHUNK_BYTES))
    const { digests, short } = await this.#threads.run('hashSpans', { fd, positions, lengths })
    return short.length > 0 ? undefined : digests
  }
}
