/** Small files made and synced by the hundred on disk threads. What cannot be done so is left to the caller. */
import { isShared, sharedBytes } from '../../base/shared-memory.ts'
import { MIB } from '../../base/units.ts'
import { type CreateFiles, errorOf } from '../disk/disk-jobs.ts'
import type { DiskThreads } from '../disk/disk-threads.ts'
import { sharedSpans } from '../disk/shared-spans.ts'
import { findSyncProgram } from '../disk/sync-program.ts'

export interface NewSmallFile {
  readonly path: string
  readonly size: number
  /** Its content, one after another: not to be changed until it is written. */
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

/** Where the files are to lie. */
export type Drive = NonNullable<CreateFiles['drive']>

interface Waiting {
  readonly files: readonly NewSmallFile[]
  readonly drive: Drive | undefined
  resolve(identities: ReadonlyArray<string | null>): void
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

  /**
   * @param drive the same for all calls, once it is known
   * @returns `identityOf` each; null where none was made, because something has its name or for any other reason
   */
  create(files: readonly NewSmallFile[], drive: Drive | undefined): Promise<ReadonlyArray<string | null>> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ files, drive, resolve, reject })
      this.#next()
    })
  }

  #next(): void {
    if (this.#isBusy || this.#waiting.length === 0) return
    const asked = this.#waiting.splice(0, askedTogether(this.#waiting))
    this.#isBusy = true
    const drive = asked.find(one => one.drive !== undefined)?.drive
    this.#create(
      asked.flatMap(({ files }) => files),
      drive
    )
      .then(
        identities => {
          let at = 0
          for (const { files, resolve } of asked) {
            resolve(identities.slice(at, at + files.length))
            at += files.length
          }
        },
        (err: unknown) => {
          for (const { reject } of asked) reject(err)
        }
      )
      .finally(() => {
        this.#isBusy = false
        this.#next()
      })
  }

  async #create(files: readonly NewSmallFile[], drive: Drive | undefined): Promise<ReadonlyArray<string | null>> {
    const contents = sharedSpans(contentsOf(files))
    const job = { paths: files.map(({ path }) => path), contents, drive }
    return (await this.#threads.run('createFiles', job)).identities
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
    for (const failure of failed) ends.set(failure.index, errorOf(failure))
    return ends
  }
}

/** How many of those that wait, at least one, make one job. */
function askedTogether(waiting: readonly Waiting[]): number {
  let count = 0
  let files = 0
  let bytes = 0
  for (const asked of waiting) {
    files += asked.files.length
    bytes += asked.files.reduce((sum, { size }) => sum + size, 0)
    if (count > 0 && (files > MAX_JOB_FILES || bytes > MAX_JOB_BYTES)) break
    count += 1
  }
  return count
}

/** Each content as one range of shared memory: where it lies, or else a copy. */
function contentsOf(files: readonly NewSmallFile[]): Uint8Array[] {
  const isInPlace = ({ buffers: [only, ...more] }: NewSmallFile) =>
    only !== undefined && more.length === 0 && isShared(only)
  const copies = sharedBytes(files.reduce((sum, file) => sum + (isInPlace(file) ? 0 : file.size), 0))
  let at = 0
  return files.map(file => {
    const [only] = file.buffers
    if (only !== undefined && isInPlace(file)) return only
    const copy = copies.subarray(at, at + file.size)
    at += file.size
    let filled = 0
    for (const buffer of file.buffers) {
      copy.set(buffer, filled)
      filled += buffer.byteLength
    }
    return copy
  })
}
