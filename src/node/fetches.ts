/** The fetches that are under way: the local checks before any network, one job a root, a handle for each caller. */
import { join } from 'node:path'
import { CID } from 'multiformats/cid'
import { withLinked } from '../base/abort-signals.ts'
import { abortError, ShoalError, throwIfAborted } from '../base/errors.ts'
import { SECOND_MS } from '../base/units.ts'
import { ingest } from '../content/ingest.ts'
import type { ContentStore } from '../content/store/content-store.ts'
import type { StoredRoot } from '../content/store/stored-root.ts'
import type { FetchOptions, FetchResult, Transfer } from './api.ts'
import { checkPath, checkTimeout } from './check-arguments.ts'
import { type Destination, type Held, kindOf, resolveDestination } from './destination.ts'
import { FetchJob, type FetchJobInit, type FetchJobParts, isReadable } from './fetch-job.ts'
import type { WatcherKind } from './fetch-watchers.ts'
import { checkLimits, type LimitBook } from './limit-book.ts'
import { refuseOwnPlace } from './own-data-dir.ts'
import type { Roots } from './roots.ts'
import { parseSource, type Source } from './sources.ts'
import { cacheFolder } from './storage/cache-folder.ts'
import { liesIn } from './storage/footprint.ts'
import type { NodeStorage } from './storage/node-storage.ts'
import { TransferHandle } from './transfer-handle.ts'

export const DEFAULT_TIMEOUT_MS = 60 * SECOND_MS

/** Each throws until the node is started; `parts` while it is offline, too. */
export interface FetchesInit {
  readonly parts: () => FetchJobParts
  readonly store: () => ContentStore
  readonly roots: () => Roots
  readonly limits: () => LimitBook
  readonly storage: () => NodeStorage
  readonly dataDir: string
  /** Ends what is not yet a job. */
  readonly stopping: AbortSignal
}

export class Fetches {
  readonly #parts: () => FetchJobParts
  readonly #store: () => ContentStore
  readonly #roots: () => Roots
  readonly #limits: () => LimitBook
  readonly #storage: () => NodeStorage
  readonly #dataDir: string
  readonly #stopping: AbortSignal
  readonly #running = new Map<string, FetchJob>()
  /** Jobs that were cancelled and have not ended yet: the next fetch of the root waits for them. */
  readonly #ending = new Map<string, Promise<unknown>>()

  #stopped = false

  constructor(init: FetchesInit) {
    this.#parts = init.parts
    this.#store = init.store
    this.#roots = init.roots
    this.#limits = init.limits
    this.#storage = init.storage
    this.#dataDir = init.dataDir
    this.#stopping = init.stopping
  }

  /** @throws synchronously what parseSource throws; ERR_USAGE, ERR_BAD_NUMBER of the options */
  fetch(sourceText: string, options: FetchOptions): Transfer {
    const source = parseSource(sourceText)
    checkLimits(options)
    checkTimeout(options.timeoutMs)
    if (options.to !== undefined) checkPath('fetch', options.to)
    if (options.to !== undefined && options.cache === true) {
      throw new ShoalError('ERR_USAGE', 'to and cache exclude each other', { hint: 'leave one of them out' })
    }
    return new TransferHandle(source, async handle =>
      this.#storage().holding(source.cid, () =>
        withLinked([handle.signal, options.signal, this.#stopping], signal =>
          this.#fetch(source, { ...options, signal }, handle)
        )
      )
    )
  }

  isFetching(cid: string): boolean {
    return this.#running.has(cid)
  }

  /** Ends the fetch of a root, whoever waits for it. */
  async cancel(cid: string): Promise<void> {
    const job = this.#running.get(cid)
    job?.cancel(
      new ShoalError('ERR_UNKNOWN_ROOT', 'the content was removed while it was fetched', {
        hint: 'the same command again fetches it anew'
      })
    )
    await Promise.allSettled([job?.done, this.#ending.get(cid)])
  }

  async stop(): Promise<void> {
    this.#stopped = true
    const jobs = [...this.#running.values()]
    for (const job of jobs) job.cancel(new ShoalError('ERR_ABORTED', 'the node is stopping'))
    await Promise.allSettled([...jobs.map(job => job.done), ...this.#ending.values()])
  }

  /**
   * Lets a reader into the fetch of a root, which is started when there is none.
   * @param path where it is fetched to in that case
   */
  async joinAsReader(source: Source, path: string, timeoutMs: number): Promise<{ job: FetchJob; leave: () => void }> {
    await this.#ending.get(source.cid)
    const job =
      this.#running.get(source.cid) ??
      this.#start(source, { path, name: source.name ?? source.cid, timeoutMs, force: false, keepsPin: true })
    return { job, leave: this.#join(source.cid, job, 'reader') }
  }

  async #fetch(
    source: Source,
    options: FetchOptions & { signal: AbortSignal },
    handle: TransferHandle
  ): Promise<FetchResult> {
    const startedAt = performance.now()
    const { signal } = options
    throwIfAborted(signal)
    const cid = CID.parse(source.cid)
    const name = source.name ?? source.cid
    const destination = options.cache === true ? await this.#cached(cid, signal) : await this.#given(cid, name, options)
    this.#checkElsewhere(source.cid, destination.path)
    const there = await this.#alreadyThere(cid, destination, signal)
    if (there !== undefined) {
      await this.#limits().setRoot(source.cid, options)
      this.#roots().seed(there)
      const result = {
        cid: source.cid,
        path: there.path,
        size: there.totalBytes,
        seconds: (performance.now() - startedAt) / SECOND_MS,
        fetched: 0,
        resumed: there.totalBytes,
        peers: 0,
        skipped: []
      }
      handle.settle(result, name)
      return result
    }
    // nobody named a place of the user's where the content is held: nothing of theirs is replaced there
    const isOwnPlace = options.cache === true && !liesIn(destination.path, cacheFolder(this.#dataDir))
    const force = options.force === true && !isOwnPlace
    if (!force && (await kindOf(destination.path, false)) !== 'nothing') {
      throw new ShoalError('ERR_EXISTS', `${destination.path} already exists and is something else`, {
        hint: isOwnPlace
          ? 'it was the content: shoal verify says what differs, and after shoal rm the cache takes it'
          : `${options.cache === true ? '' : 'choose another destination with -o, or '}replace it with --force`,
        details: { path: destination.path }
      })
    }
    await this.#ending.get(source.cid)
    throwIfAborted(signal)
    this.#checkElsewhere(source.cid, destination.path)
    const job =
      this.#running.get(source.cid) ??
      this.#start(source, {
        path: destination.path,
        name,
        timeoutMs: options.timeoutMs ?? DEFAULT_TIMEOUT_MS,
        force
      })
    handle.follow(job)
    // in force before a byte can move
    const recorded = this.#limits().setRoot(source.cid, options)
    const leave = this.#join(source.cid, job, 'whole')
    signal.addEventListener('abort', leave, { once: true })
    try {
      const result = await Promise.race([job.done, rejected(signal)])
      await recorded
      return result
    } finally {
      signal.removeEventListener('abort', leave)
    }
  }

  /** @throws ERR_EXISTS when the root is being fetched to another place */
  #checkElsewhere(cid: string, path: string): void {
    const job = this.#running.get(cid)
    if (job === undefined || job.init.path === path) return
    throw new ShoalError('ERR_EXISTS', `${cid} is being fetched to ${job.init.path}`, {
      hint: 'wait for that fetch, then copy it or fetch again'
    })
  }

  #start(source: Source, init: Omit<FetchJobInit, 'cid' | 'peers'>): FetchJob {
    if (this.#stopped) throw new ShoalError('ERR_ABORTED', 'the node is stopping')
    const job = new FetchJob({ ...init, cid: CID.parse(source.cid), peers: source.peers }, this.#parts())
    this.#running.set(source.cid, job)
    this.#roots().markFetching(source.cid, true)
    const end = () => this.#end(source.cid, job)
    job.done.then(end, end)
    const release = () => this.#storage().release(source.cid)
    job.done.then(release, release)
    return job
  }

  async #held(cid: CID): Promise<Held | undefined> {
    const known = this.#store().get(cid)
    if (known === undefined) return undefined
    const isKnown = await isReadable(known)
    // what is lost of a root is fetched again to where it was
    return { path: known.path, isFolder: !isKnown || known.manifest.entries[0]?.kind === 'directory' }
  }

  /** @throws ERR_USAGE for a new place among the node's own files; what resolveDestination throws */
  async #given(cid: CID, name: string, { to }: FetchOptions): Promise<Destination> {
    const held = await this.#held(cid)
    const destination = await resolveDestination(to, name, held)
    if (destination.path !== held?.path) await refuseOwnPlace(destination.path, this.#dataDir)
    return destination
  }

  /** Where it is fetched to at this moment, or held whole, wherever that is; else in the data folder. */
  async #cached(cid: CID, signal: AbortSignal): Promise<Destination> {
    const held = this.#store().get(cid)
    const elsewhere =
      this.#running.get(cid.toString())?.init.path ?? ((await this.#isWhole(held, signal)) ? held?.path : undefined)
    const path = elsewhere ?? join(cacheFolder(this.#dataDir), cid.toString())
    return { path, exists: await kindOf(path, false) }
  }

  /** The last to leave cancels the job: the next fetch of the root then waits until it has ended, and starts anew. */
  #join(cid: string, job: FetchJob, kind: WatcherKind): () => void {
    const leave = job.join(kind)
    return () => {
      leave()
      if (job.isCancelled) this.#end(cid, job)
    }
  }

  #end(cid: string, job: FetchJob): void {
    if (this.#running.get(cid) !== job) return
    this.#running.delete(cid)
    this.#roots().markFetching(cid, false)
    const ended = Promise.allSettled([job.done]).finally(async () => {
      if (this.#ending.get(cid) === ended) this.#ending.delete(cid)
      // it ended before there was anything to keep
      if (this.#store().get(job.init.cid) === undefined && !this.isFetching(cid)) await this.#limits().forget(cid)
    })
    this.#ending.set(cid, ended)
  }

  /** All of it is at its place, and as it was recorded. What was damaged and is right again is held again. */
  async #isWhole(root: StoredRoot | undefined, signal: AbortSignal): Promise<boolean> {
    if (root === undefined || root.state === 'partial' || !(await isReadable(root))) return false
    const before = root.heldPieces
    await root.checkFiles(signal)
    if (root.heldPieces > before) this.#roots().refresh(root)
    return root.have.isFull
  }

  /** The content is at the destination and right: held by the store there, or found to be by hashing it. */
  async #alreadyThere(cid: CID, destination: Destination, signal: AbortSignal): Promise<StoredRoot | undefined> {
    if (destination.exists !== 'file' && destination.exists !== 'folder') return undefined
    const store = this.#store()
    const known = store.get(cid)
    if (known?.path === destination.path && (await this.#isWhole(known, signal)) && (await known.restoreTree(signal)))
      return known
    // a content of another layout cannot be recognised by hashing it again; then the destination counts as in the way
    const { manifest, blocks, fingerprints, skipped } = await ingest(destination.path, { signal })
    if (skipped.length > 0 || !manifest.root.equals(cid)) return undefined
    const { path } = destination
    const name = known?.path === path ? known.name : path.slice(path.lastIndexOf('/') + 1)
    // its manifest was lost, or it was removed and lies in the cache still: it is what it was, fetched or cached
    const isKnown = known?.path === path && known.state !== 'partial'
    const evictable = path === join(cacheFolder(this.#dataDir), cid.toString())
    const found = isKnown || evictable ? { evictable } : undefined
    const root = await store.addShared({ manifest, blocks, fingerprints, path, name, ...(found && { found }) })
    // hashing took its time
    return (await this.#isWhole(root, signal)) ? root : undefined
  }
}

async function rejected(signal: AbortSignal): Promise<never> {
  return await new Promise((_, reject) => {
    const fail = () => {
      reject(
        signal.reason instanceof ShoalError
          ? signal.reason
          : new ShoalError('ERR_ABORTED', 'interrupted', {
              hint: 'run the same command again to continue',
              cause: abortError(signal)
            })
      )
    }
    if (signal.aborted) fail()
    else signal.addEventListener('abort', fail, { once: true })
  })
}
