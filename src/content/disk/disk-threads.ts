/**
 * Threads for what would be slow here: hashing, and thousands of small files. They are few, shared by all of the
 * process, started when there is work that pays for it (some 30 ms each), and ended when nobody needs them.
 */
import { existsSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { ShoalError } from '../../base/errors.ts'
import { type DiskJobs, errorOf, type JobAnswered, type JobAsked, type JobKind } from './disk-jobs.ts'

const MAX_HASHING = 8
/** Jobs that keep a core busy. */
export const HASHING_AT_ONCE = Math.min(MAX_HASHING, availableParallelism())
/** A file system commits together what is synced at the same time, so waiting for it pays beyond the number of cores. */
export const SYNCING_AT_ONCE = 4
/** Two threads that make files in one folder wait for its lock, spinning. */
const CREATING_AT_ONCE = 1
/** They copy to memory mostly; a second is for another disk that is slow. */
const WRITING_AT_ONCE = 2
/** One is left for what is short while all that may be sync. */
const MAX_THREADS = Math.max(HASHING_AT_ONCE, SYNCING_AT_ONCE + 1)

/** Of a thread's heap: its buffer lies outside of it, and what it allocates is short-lived. */
const YOUNG_MIB = 4

/** Jobs of a kind under way at once. */
const AT_ONCE: { readonly [K in JobKind]: number } = {
  hashSpans: HASHING_AT_ONCE,
  hashParts: HASHING_AT_ONCE,
  writeParts: WRITING_AT_ONCE,
  hashFiles: HASHING_AT_ONCE,
  readFiles: HASHING_AT_ONCE,
  createFiles: CREATING_AT_ONCE,
  syncFiles: SYNCING_AT_ONCE,
  statFiles: HASHING_AT_ONCE
}

/**
 * Jobs of less than a millisecond that come one after the other: they wait for a thread that is busy with such until so
 * many wait for each, as one does a gigabyte of them in a second, and to start another costs what it does in 40 ms.
 */
const PATIENT: ReadonlySet<JobKind> = new Set(['hashParts', 'writeParts'])
const PATIENCE = 6

interface Asked {
  readonly asked: JobAsked
  resolve(answer: DiskJobs[JobKind]['answer']): void
  reject(err: unknown): void
}

interface Thread {
  readonly worker: Worker
  busyWith: Asked | undefined
  /** It has answered: it no longer starts. */
  isUp: boolean
}

/** What is asked of the threads. */
export interface DiskThreads {
  /**
   * Jobs of a kind begin in the order in which they are asked.
   * @throws the system error where the job failed as a whole; ERR_IO where its thread died
   */
  run<K extends JobKind>(kind: K, job: DiskJobs[K]['job']): Promise<DiskJobs[K]['answer']>
}

/**
 * Invariant: a job waits only while all threads that there may be (or the system allows) are busy, or as many of its kind
 * as there may be, or where it is patient, some with such as it.
 */
export class DiskThreadPool implements DiskThreads {
  readonly #start: () => Worker
  readonly #threads = new Set<Thread>()
  readonly #queue: Asked[] = []
  #closing = false

  constructor(start: () => Worker) {
    this.#start = start
  }

  run<K extends JobKind>(kind: K, job: DiskJobs[K]['job']): Promise<DiskJobs[K]['answer']> {
    return new Promise((resolve, reject) => {
      if (this.#closing) throw new ShoalError('ERR_NOT_RUNNING', 'the disk threads have ended')
      this.#queue.push({ asked: { kind, job }, resolve, reject })
      this.#next()
    })
  }

  /** Whether there is a thread that has done something already, and not one that still starts. */
  get isRunning(): boolean {
    return !this.#closing && [...this.#threads].some(({ isUp }) => isUp)
  }

  /** Jobs that are under way fail, and so do those that wait. */
  async close(): Promise<void> {
    this.#closing = true
    for (const { reject } of this.#queue.splice(0))
      reject(new ShoalError('ERR_NOT_RUNNING', 'the disk threads have ended'))
    await Promise.all([...this.#threads].map(({ worker }) => worker.terminate()))
  }

  #next(): void {
    if (this.#closing) return
    for (let next = this.#ready(); next !== -1; next = this.#ready()) {
      let thread: Thread
      try {
        thread = this.#idle() ?? this.#begin()
      } catch (cause) {
        // too many threads for the system: those that run do it, or nobody
        if (this.#threads.size > 0) return
        const [asked] = this.#queue.splice(next, 1)
        asked?.reject(new ShoalError('ERR_IO', 'a disk thread could not be started', { cause }))
        continue
      }
      const [asked] = this.#queue.splice(next, 1)
      if (asked === undefined) return
      thread.busyWith = asked
      // A job that is under way keeps the process alive, a thread that waits for one does not.
      thread.worker.ref()
      thread.worker.postMessage(asked.asked)
    }
  }

  /** The index of the first job that may begin; -1 where there is none. */
  #ready(): number {
    const busy = [...this.#threads].map(({ busyWith }) => busyWith?.asked.kind)
    const isIdle = busy.includes(undefined)
    return this.#queue.findIndex(
      ({ asked: { kind } }) =>
        busy.filter(other => other === kind).length < AT_ONCE[kind] && (isIdle || this.#mayStartFor(kind))
    )
  }

  #mayStartFor(kind: JobKind): boolean {
    if (this.#threads.size >= MAX_THREADS) return false
    if (!PATIENT.has(kind)) return true
    const others = [...this.#threads].filter(
      ({ busyWith }) => busyWith !== undefined && PATIENT.has(busyWith.asked.kind)
    )
    return others.length === 0 || this.#queue.length > PATIENCE * others.length
  }

  #idle(): Thread | undefined {
    for (const thread of this.#threads) if (thread.busyWith === undefined) return thread
    return undefined
  }

  #begin(): Thread {
    const worker = this.#start()
    const thread: Thread = { worker, busyWith: undefined, isUp: false }
    worker.on('message', (answered: JobAnswered) => this.#answered(thread, answered))
    worker.on('error', err => this.#ended(thread, err))
    worker.on('exit', () => this.#ended(thread, undefined))
    this.#threads.add(thread)
    return thread
  }

  #answered(thread: Thread, answered: JobAnswered): void {
    const asked = thread.busyWith
    thread.busyWith = undefined
    thread.isUp = true
    thread.worker.unref()
    if ('answer' in answered) asked?.resolve(answered.answer)
    else asked?.reject(errorOf(answered.error))
    this.#next()
  }

  #ended(thread: Thread, cause: unknown): void {
    if (!this.#threads.delete(thread)) return
    thread.busyWith?.reject(
      new ShoalError('ERR_IO', 'a disk thread died', { cause, hint: 'run the same command again' })
    )
    thread.busyWith = undefined
    this.#next()
  }
}

export interface DiskLease {
  readonly threads: DiskThreads
  /** Once, when nothing of the holder's is under way. The last holder's ends the threads. */
  release(): Promise<void>
}

let shared: DiskThreadPool | undefined
let holders = 0

/** Those that somebody has borrowed, where one runs already: for work that does not pay for starting one. */
export function runningDiskThreads(): DiskThreads | undefined {
  return shared?.isRunning === true ? shared : undefined
}

/** Undefined where the worker's file is not there (uncompiled): then everything is done on this thread. */
export function borrowDiskThreads(): DiskLease | undefined {
  if (!existsSync(fileURLToPath(new URL('./disk-worker.js', import.meta.url)))) return undefined
  shared ??= new DiskThreadPool(
    () =>
      new Worker(new URL('./disk-worker.js', import.meta.url), {
        name: 'shoal-disk',
        resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MIB }
      })
  )
  const threads = shared
  holders += 1
  const release = async () => {
    holders -= 1
    if (holders > 0) return
    shared = undefined
    await threads.close()
  }
  return { threads, release }
}
