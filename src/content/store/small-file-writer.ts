/** Small files made and synced by the hundred on disk threads. What cannot be done so is left to the caller. */
import { MIB } from '../../base/units.ts'
import type { DiskThreads } from '../disk/disk-threads.ts'

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

interface Waiting extends NewSmallFile {
  resolve(identity: string | null): void
  reject(err: unknown): void
}

/** Invariant: files wait only while a job is under way; so the slower the disk, the larger the jobs. */
export class SmallFileWriter {
  readonly #threads: DiskThreads
  #waiting: Waiting[] = []
  #isBusy = false

  constructor(threads: DiskThreads) {
    this.#threads = threads
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

  /** fdatasync of each. @returns by index: what failed, or `replaced` where another file has its name */
  async sync(files: readonly WrittenSmallFile[]): Promise<Map<number, Error | 'replaced'>> {
    const { replaced, failed } = await this.#threads.run('syncFiles', {
      paths: files.map(({ path }) => path),
      identities: files.map(({ identity }) => identity ?? null)
    })
    const ends = new Map<number, Error | 'replaced'>(replaced.map(index => [index, 'replaced']))
    for (const { index, code, message } of failed) ends.set(index, Object.assign(new Error(message), { code }))
    return ends
  }
}
