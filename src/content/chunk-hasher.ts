/**
 * Reads chunks of open files and hashes them: small amounts right here, large ones on worker threads, which read into
 * buffers of their own so that nothing is copied between threads and this one stays free for the rest of the node.
 */
import { hash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { ShoalError } from '../base/errors.ts'
import { BufferPool } from './buffer-pool.ts'
import { readDisk } from './disk-file.ts'
import { CHUNK_BYTES } from './file-builder.ts'

export interface ChunkHasher {
  /**
   * SHA-256 of `length` bytes (at most CHUNK_BYTES) at `position`; undefined where the file ends before. The descriptor
   * must stay open until it settles. Rejects with the system error.
   */
  hashChunk(fd: number, position: number, length: number): Promise<Uint8Array | undefined>
  /** When nothing is under way any more. */
  close(): Promise<void>
}

/** From here on starting threads (some 40 ms) pays. */
const WORTH_THREADS_BYTES = 64 * 1024 * 1024
const THREADS = 2
/** Below this, hashing here is quicker than asking a thread. */
const WORTH_ASKING_BYTES = 128 * 1024
const BUFFERS = 12

export interface HashRequest {
  readonly id: number
  readonly fd: number
  readonly position: number
  readonly length: number
}

export interface HashAnswer {
  readonly id: number
  /** Null where the file ended early. */
  readonly digest: Uint8Array | null
  /** A system error: between threads an Error loses its code. */
  readonly error: { readonly code: string | undefined; readonly message: string } | null
}

/**
 * Uncompiled or bundled, the worker's file is not there: then everything is hashed here.
 * @param totalBytes what there is to hash
 */
export function createChunkHasher(totalBytes: number): ChunkHasher {
  const here = new LocalHasher()
  const worker = fileURLToPath(new URL('./hash-worker.js', import.meta.url))
  if (totalBytes < WORTH_THREADS_BYTES || !existsSync(worker)) return here
  return new ThreadedHasher(
    here,
    () => new Worker(new URL('./hash-worker.js', import.meta.url), { name: 'shoal-hash' })
  )
}

export class LocalHasher implements ChunkHasher {
  readonly #pool = new BufferPool(BUFFERS, CHUNK_BYTES)

  async hashChunk(fd: number, position: number, length: number): Promise<Uint8Array | undefined> {
    const buffer = await this.#pool.take()
    try {
      const got = await readDisk(fd, buffer, length, position)
      return got < length ? undefined : hash('sha256', buffer.subarray(0, length), 'buffer')
    } finally {
      this.#pool.give(buffer)
    }
  }

  async close(): Promise<void> {}
}

interface Asked {
  resolve(digest: Uint8Array | undefined): void
  reject(err: unknown): void
}

export class ThreadedHasher implements ChunkHasher {
  readonly #here: LocalHasher
  readonly #threads: Worker[]
  readonly #asked = new Map<number, Asked>()
  #lastId = 0

  constructor(here: LocalHasher, startThread: () => Worker) {
    this.#here = here
    this.#threads = Array.from({ length: THREADS }, () => {
      const thread = startThread()
      thread.on('message', (answer: HashAnswer) => this.#answered(answer))
      thread.on('error', err => this.#died(err))
      return thread
    })
  }

  hashChunk(fd: number, position: number, length: number): Promise<Uint8Array | undefined> {
    if (length < WORTH_ASKING_BYTES) return this.#here.hashChunk(fd, position, length)
    return new Promise((resolve, reject) => {
      this.#lastId += 1
      const id = this.#lastId
      this.#asked.set(id, { resolve, reject })
      this.#threads[id % THREADS]?.postMessage({ id, fd, position, length } satisfies HashRequest)
    })
  }

  async close(): Promise<void> {
    await Promise.all(this.#threads.map(thread => thread.terminate()))
  }

  #answered({ id, digest, error }: HashAnswer): void {
    const asked = this.#asked.get(id)
    this.#asked.delete(id)
    if (error !== null) asked?.reject(Object.assign(new Error(error.message), { code: error.code }))
    else asked?.resolve(digest ?? undefined)
  }

  #died(cause: unknown): void {
    const err = new ShoalError('ERR_IO', 'a hashing thread died', { cause, hint: 'run the same command again' })
    for (const asked of this.#asked.values()) asked.reject(err)
    this.#asked.clear()
  }
}
