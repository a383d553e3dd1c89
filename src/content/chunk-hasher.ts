/**
 * Reads chunks of open files and hashes them: small amounts right here, large ones on worker threads, which read into
 * buffers of their own so that nothing is copied between threads and this one stays free for the rest of the node.
 */
import { hash } from 'node:crypto'
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

/** @param totalBytes what there is to hash */
export function createChunkHasher(totalBytes: number): ChunkHasher {
  const here = new LocalHasher()
  return totalBytes < WORTH_THREADS_BYTES ? here : new ThreadedHasher(here)
}

class LocalHasher implements ChunkHasher {
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

interface Answer {
  id: number
  /** Null where the file ended early. */
  digest: Uint8Array | null
  /** A system error: between threads an Error loses its code. */
  error: { code: string; message: string } | null
}

interface Asked {
  resolve(digest: Uint8Array | undefined): void
  reject(err: unknown): void
}

/**
 * As text, for it must run from a TypeScript checkout, from dist and out of a bundle alike.
 * Message: { id, fd, position, length }; answer: Answer.
 */
const THREAD_SOURCE = `
const { hash } = require('node:crypto')
const { readSync } = require('node:fs')
const { parentPort } = require('node:worker_threads')
const buffer = Buffer.allocUnsafeSlow(${CHUNK_BYTES})
parentPort.on('message', ({ id, fd, position, length }) => {
  try {
    let had = 0
    while (had < length) {
      const got = readSync(fd, buffer, had, length - had, position + had)
      if (got === 0) break
      had += got
    }
    const digest = had < length ? null : hash('sha256', buffer.subarray(0, length), 'buffer')
    parentPort.postMessage({ id, digest, error: null })
  } catch ({ code, message }) {
    parentPort.postMessage({ id, digest: null, error: { code, message } })
  }
})
`

class ThreadedHasher implements ChunkHasher {
  readonly #here: LocalHasher
  readonly #threads: Worker[]
  readonly #asked = new Map<number, Asked>()
  #lastId = 0

  constructor(here: LocalHasher) {
    this.#here = here
    this.#threads = Array.from({ length: THREADS }, () => {
      const thread = new Worker(THREAD_SOURCE, { eval: true, name: 'shoal-hash' })
      thread.on('message', (answer: Answer) => this.#answered(answer))
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
      this.#threads[id % THREADS]?.postMessage({ id, fd, position, length })
    })
  }

  async close(): Promise<void> {
    await Promise.all(this.#threads.map(thread => thread.terminate()))
  }

  #answered({ id, digest, error }: Answer): void {
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
