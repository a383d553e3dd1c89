/** Small files made and synced by the hundred on disk threads. What cannot be done so is left to the caller. */
import { MIB } from '../../base/units.ts'
import type { DiskThreads } from '../disk/disk-threads.ts'
import { findSyncProgram } from '../disk/sync-program.ts'

export interface NewSmallFile {
  readonly path: string
  readonly size: number
  /** Its content, one after another. */
  readonly buffers: readonly Uint8Array[]
}

export interface WrittenSmallFile {
  readonly path: string
  /** `identityOf` it; undefined where that is not known. */
  readonly identity: string | undefined
}

const MAX_JOB_FILES = 512
const MAX_JOB_BYTES = 8 * MIB
/** From so many files on, to sync their file system costs less than to sync each of them. */
const WORTH_PROGRAM_FILES = 256
/** Files that one thread syncs one after another. */
const EACH_BATCH_FILES = 32
/** Files of one job where their file system is synced as a whole. */
const PROGRAM_BATCH_FILES = 16_384

interface Waiting extends NewSmallFile {
  resolve(identity: string | null): void
  reject(err: unknown): void
}

/** Invariant: files wait only while a job is under way; so the slower the disk, the larger the jobs. */
export class SmallFileWriter {
  readonly #threads: DiskThreads
  #waiting: Waiting[] = []
  #isBusy = false
  /** Null once it failed: what it cannot do now it will not do later. */
  #program: string | null

  constructor(threads: DiskThreads, program: string | null = findSyncProgram()) {
    this.#threads = threads
    this.#program = program
  }

  /** Of how many files {@link sync} should be asked at once where so many wait. */
  syncBatch(waiting: number): number {
    return this.#program !== null && waiting >= WORTH_PROGRAM_FILES ? PROGRAM_BATCH_FILES : EACH_BATCH_FILES
  }

  /** @returns `identityOf` each; null where none was made, because something has its name or for any other reason */
  async create(files: readonly NewSmallFile[]): Promise<ReadonlyArray<string | null>> {
    const ends = files.map(
      file => new Promise<string | null>((resolve, reject) => this.#waiting.push({ ...file, resolve, reject }))
    )
    this.#next()
    return await Promise.all(ends)
  }

  #next(): void {
    if (this.#isBusy || this.#waiting.length === 0) return
    let bytes = 0
    let count = 0
    for (const { size } of this.#waiting) {
      bytes += size
      if (count > 0 && (count === MAX_JOB_FILES || bytes > MAX_JOB_BYTES)) break
      count += 1
    }
    const job = this.#waiting.splice(0, count)
    this.#isBusy = true
    this.#create(job)
      .then(
        identities => {
          for (const [index, { resolve }] of job.entries()) resolve(identities[index] ?? null)
        },
        (err: unknown) => {
          for (const { reject } of job) reject(err)
        }
      )
      .finally(() => {
        this.#isBusy = false
        this.#next()
      })
  }

  async #create(files: readonly NewSmallFile[]): Promise<ReadonlyArray<string | null>> {
    const sizes = Uint32Array.from(files, ({ size }) => size)
    const data = new Uint8Array(sizes.reduce((sum, size) => sum + size, 0))
    let at = 0
    for (const { buffers } of files) {
      for (const buffer of buffers) {
        data.set(buffer, at)
        at += buffer.byteLength
      }
    }
    const job = { paths: files.map(({ path }) => path), sizes, data }
    return (await this.#threads.run('createFiles', job, [data.buffer])).identities
  }

  /**
   * Makes them durable: many by a sync of their file system, few, or where that cannot be done, by fdatasync of each.
   * @returns by index: what failed, or `replaced` where another file has its name
   */
  async sync(files: readonly WrittenSmallFile[]): Promise<Map<number, Error | 'replaced'>> {
    const program = files.length >= WORTH_PROGRAM_FILES ? this.#program : null
    const { replaced, failed, isByProgram } = await this.#threads.run('syncFiles', {
      paths: files.map(({ path }) => path),
      identities: files.map(({ identity }) => identity ?? null),
      program
    })
    if (program !== null && !isByProgram) this.#program = null
    const ends = new Map<number, Error | 'replaced'>(replaced.map(index => [index, 'replaced']))
    for (const { index, code, message } of failed) ends.set(index, Object.assign(new Error(message), { code }))
    return ends
  }
}
