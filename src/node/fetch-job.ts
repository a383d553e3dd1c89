/**
 * One root being fetched to one place: manifest, then pieces, then the finish. Several callers may watch one job; it
 * ends when it is done, failed, or the last caller has cancelled. What was fetched is kept in every case.
 */
import type { CID } from 'multiformats/cid'
import { abortReason } from '../base/abort-signals.ts'
import { ShoalError } from '../base/errors.ts'
import { TypedEvents } from '../base/typed-events.ts'
import { SECOND_MS } from '../base/units.ts'
import { isRawRoot } from '../content/manifest.ts'
import { ManifestAssembler } from '../content/manifest-assembler.ts'
import type { FetchInit } from '../content/store/begin-fetch.ts'
import type { ContentStore } from '../content/store/content-store.ts'
import type { StoredRoot } from '../content/store/stored-root.ts'
import type { SwarmHost } from '../transfer/io/swarm-host.ts'
import type { SwarmRunner } from '../transfer/io/swarm-runner.ts'
import type { FetchResult, TransferEvents, TransferSnapshot } from './api.ts'
import { DiskPause, isDiskTrouble } from './disk-pause.ts'
import { FetchWatchers, type ReaderWants, type WatcherKind } from './fetch-watchers.ts'
import type { Network } from './network.ts'
import type { ProviderSearch } from './provider-search.ts'
import type { Roots } from './roots.ts'
import { explainStall } from './stall.ts'
import { StallWatch } from './stall-watch.ts'
import type { NodeStorage } from './storage/node-storage.ts'

const PROGRESS_EVENT_MS = 500
/** A fetch whose files others keep changing comes to its end so many times. */
const MAX_ENDS = 4

export interface FetchJobInit extends Pick<FetchInit, 'path' | 'name' | 'force' | 'keepsPin'> {
  readonly cid: CID
  readonly timeoutMs: number
  /** Multiaddrs from the link. */
  readonly peers: readonly string[]
}

export interface FetchJobParts {
  readonly store: ContentStore
  readonly swarms: SwarmHost
  readonly network: Network
  readonly roots: Roots
  readonly storage: Pick<NodeStorage, 'beginFetch'>
}

type Completed = Awaited<ReturnType<StoredRoot['complete']>>

export class FetchJob {
  readonly init: FetchJobInit
  readonly events = new TypedEvents<TransferEvents>()
  readonly done: Promise<FetchResult>
  /** The stored root, once the manifest is known and the destination was made. */
  readonly rootReady: Promise<{ root: StoredRoot; runner: SwarmRunner }>
  readonly #parts: FetchJobParts
  readonly #abort = new AbortController()
  readonly #startedAt: number
  #state: TransferSnapshot['state'] = 'finding'
  #root: StoredRoot | undefined
  #runner: SwarmRunner | undefined
  #search: ProviderSearch | undefined
  #resumedBytes = 0
  #fetchedBefore = 0
  /** Content bytes that arrived as DAG nodes. */
  #cameWithManifest = 0
  #progressTimer: NodeJS.Timeout | undefined
  readonly #watch: StallWatch
  readonly #pause: DiskPause
  /** A disk that failed at the end is tried again. */
  #onDiskRetry: (() => void) | undefined
  /** Waits for peers now, not for the disk. */
  #isWaiting = false
  readonly #watchers = new FetchWatchers({ onChanged: () => this.#applyWanted(), onNone: () => this.cancel() })

  constructor(init: FetchJobInit, parts: FetchJobParts) {
    this.init = init
    this.#parts = parts
    this.#startedAt = performance.now()
    const { clock } = parts.network
    this.#watch = new StallWatch(clock, init.timeoutMs, () => this.#abort.abort(this.stallError()))
    this.#pause = new DiskPause({
      clock,
      timeoutMs: init.timeoutMs,
      probe: async () => await this.#root?.probeDisk(),
      onChanged: () => this.#diskChanged(),
      onRetry: () => this.#retryDisk(),
      onGivenUp: problem => this.#abort.abort(problem)
    })
    let ready: (value: { root: StoredRoot; runner: SwarmRunner }) => void = () => {}
    let notReady: (err: unknown) => void = () => {}
    this.rootReady = new Promise((resolve, reject) => {
      ready = resolve
      notReady = reject
    })
    this.rootReady.catch(() => {})
    this.done = this.#run(ready).then(
      result => {
        this.#set('done')
        return result
      },
      (err: unknown) => {
        notReady(err)
        this.#set('failed')
        throw err
      }
    )
    this.done.catch(() => {})
  }

  /**
   * One more waits for it. While all of them are readers, only what they want is fetched and each judges its own
   * stalls. The returned function ends the wait; the job is cancelled with the last.
   */
  join(kind: WatcherKind): () => void {
    return this.#watchers.join(kind)
  }

  /** What a reader wants next, in place of what it wanted before; nothing when the reader is done. */
  want(reader: object, wants?: ReaderWants): void {
    this.#watchers.want(reader, wants)
  }

  get isCancelled(): boolean {
    return this.#abort.signal.aborted
  }

  cancel(reason?: unknown): void {
    this.#abort.abort(
      reason ?? new ShoalError('ERR_ABORTED', 'interrupted', { hint: 'the same command again continues' })
    )
  }

  snapshot(): TransferSnapshot {
    const root = this.#root
    const rates = this.#runner?.rates() ?? { up: 0, down: 0 }
    const size = root?.manifest.totalBytes ?? 0
    const have = root?.heldBytes ?? 0
    return {
      cid: this.init.cid.toString(),
      name: this.init.name,
      path: this.init.path,
      state: this.#state,
      problem: this.#problem(),
      have,
      size,
      pieces: root?.pieces.count ?? 0,
      piecesHave: root?.have.count ?? 0,
      peers: this.#runner?.sessions.length ?? 0,
      peersKnown: this.#search?.providers.size ?? 0,
      rate: Math.round(rates.down),
      upRate: Math.round(rates.up),
      etaMs: root !== undefined && rates.down > 0 ? Math.round(((size - have) / rates.down) * SECOND_MS) : null
    }
  }

  async #run(ready: (value: { root: StoredRoot; runner: SwarmRunner }) => void): Promise<FetchResult> {
    const { swarms, network } = this.#parts
    const { cid } = this.init
    const { signal } = this.#abort
    const runner = swarms.open(cid.bytes)
    this.#runner = runner
    this.#fetchedBefore = runner.facts.fetchedBytes
    runner.facts.forget()
    const offs = [
      runner.events.on('progressed', () => this.#watch.touch()),
      runner.events.on('piece:verified', () => {
        this.#watch.touch()
        this.#pause.worked()
      }),
      runner.events.on('unwritten', err => this.#diskFailed(err)),
      runner.events.on('failed', err => this.#abort.abort(err))
    ]
    this.#progressTimer = setInterval(() => this.events.emit('progressed', this.snapshot()), PROGRESS_EVENT_MS)
    try {
      const root = await this.#obtainRoot(runner)
      if (signal.aborted) throw abortReason(signal)
      this.#root = root
      this.#resumedBytes = root.heldBytes - this.#cameWithManifest
      if (!root.have.isFull) this.#startSearch(runner)
      this.#set('fetching')
      this.#applyWanted()
      this.#parts.roots.attach(runner, root, { fetch: true })
      ready({ root, runner })
      network.announceFetching(cid)
      const { skipped } = await this.#fetchAll(runner, root)
      runner.endSearch()
      network.announceFetched(cid)
      return {
        cid: cid.toString(),
        path: this.init.path,
        size: root.manifest.totalBytes,
        seconds: (performance.now() - this.#startedAt) / SECOND_MS,
        fetched: runner.facts.fetchedBytes - this.#fetchedBefore + this.#cameWithManifest,
        resumed: this.#resumedBytes,
        peers: runner.facts.givers.size,
        skipped: [...skipped]
      }
    } catch (err) {
      runner.endSearch()
      if (runner.storage === undefined) await swarms.close(cid.bytes)
      else {
        runner.setFetching(false)
        await this.#root?.flush().catch(() => {})
      }
      throw err
    } finally {
      this.#pause.end()
      this.#watch.setActive(false)
      clearInterval(this.#progressTimer)
      for (const off of offs) off()
    }
  }

  /** From the store when its manifest is known there, else from the swarm. */
  async #obtainRoot(runner: SwarmRunner): Promise<StoredRoot> {
    const { store, storage } = this.#parts
    const { cid, path, name, force, keepsPin = false } = this.init
    const { signal } = this.#abort
    const place = { path, name, force, keepsPin, signal }
    const known = store.get(cid)
    if (known !== undefined && (await isReadable(known))) {
      const blocks: Uint8Array[] = []
      if (!isRawRoot(known.manifest)) for (let i = 0; i < known.nodeCount; i++) blocks.push(await known.readNode(i))
      const root = await storage.beginFetch({ manifest: known.manifest, blocks, ...place })
      await root.recheckUnrecorded(signal)
      if (root.state === 'partial') await root.checkFiles(signal)
      return root
    }
    const assembler = new ManifestAssembler(cid)
    this.#startSearch(runner)
    const met = setInterval(() => {
      if (this.#state === 'finding' && runner.sessions.length > 0) this.#set('manifest')
    }, 100)
    try {
      runner.fetchManifest(assembler)
      await this.#until(runner, 'manifest:completed', () => assembler.complete)
    } finally {
      clearInterval(met)
    }
    const manifest = assembler.finish()
    const blocks = assembler.blocks()
    const root = await storage.beginFetch({ manifest, blocks, ...place })
    await root.recheckUnrecorded(signal)
    // the only block of a raw root is its piece
    const [block] = blocks
    if (isRawRoot(manifest) && block !== undefined) {
      if (!root.have.has(0)) await root.write(0, 1, [block])
      this.#cameWithManifest = block.byteLength
    }
    return root
  }

  #startSearch(runner: SwarmRunner): void {
    if (this.#search !== undefined) return
    const search = this.#parts.network.searchFor(this.init.cid, this.init.peers, () => runner.sessions.length)
    this.#search = search
    runner.search(search)
  }

  /** Waits until `holds`, looking at each such event of the runner; a failure or cancellation ends the wait. */
  async #until(runner: SwarmRunner, event: 'completed' | 'manifest:completed', holds: () => boolean): Promise<void> {
    const { signal } = this.#abort
    if (signal.aborted) throw abortReason(signal)
    if (holds()) return
    this.#isWaiting = true
    this.#applyWanted()
    await new Promise<void>((resolve, reject) => {
      const off = runner.events.on(event, () => {
        if (!holds()) return
        end()
        resolve()
      })
      const onAbort = () => {
        end()
        reject(abortReason(signal))
      }
      const end = () => {
        off()
        signal.removeEventListener('abort', onAbort)
      }
      signal.addEventListener('abort', onAbort, { once: true })
    }).finally(() => {
      this.#isWaiting = false
      this.#applyWanted()
    })
  }

  #applyWanted(): void {
    const onlyWanted = this.#watchers.areReaders
    this.#watch.setActive(this.#isWaiting && !this.#pause.isWaiting && (!onlyWanted || this.#root === undefined))
    this.#runner?.setPriorities({ ...this.#watchers.wanted, onlyThese: onlyWanted })
  }

  #diskFailed(err: Error): void {
    if (isDiskTrouble(err)) this.#pause.failed(err)
    else this.#abort.abort(err)
    this.#applyWanted()
  }

  #diskChanged(): void {
    const { problem } = this.#pause
    this.#parts.roots.markPaused(this.init.cid.toString(), problem?.message)
    this.#applyWanted()
    if (problem === undefined) this.#set(this.#root?.have.isFull === true ? 'finishing' : 'fetching')
    else if (this.#state === 'paused') this.events.emit('state:changed', this.snapshot())
    else this.#set('paused')
  }

  #retryDisk(): void {
    this.#applyWanted()
    this.#runner?.setFetching(this.#onDiskRetry === undefined)
    this.#onDiskRetry?.()
  }

  #problem(): TransferSnapshot['problem'] {
    const { problem } = this.#pause
    return this.#state === 'paused' && problem !== undefined ? { code: problem.code, message: problem.message } : null
  }

  /** What is changed or deleted under the fetch before its end is fetched again. */
  async #fetchAll(runner: SwarmRunner, root: StoredRoot): Promise<Completed> {
    const { signal } = this.#abort
    for (let attempt = 1; ; attempt++) {
      await this.#until(runner, 'completed', () => root.have.isFull)
      this.#set('finishing')
      runner.setFetching(false)
      try {
        return await this.#complete(root)
      } catch (err) {
        if (root.have.isFull || signal.aborted || attempt === MAX_ENDS) throw err
        this.#startSearch(runner)
        this.#set('fetching')
        runner.setFetching(true)
      }
    }
  }

  /** What is recorded and moved into place at the end needs the disk as well. */
  async #complete(root: StoredRoot): Promise<Completed> {
    const { signal } = this.#abort
    for (;;) {
      try {
        const result = await root.complete()
        this.#pause.worked()
        return result
      } catch (err) {
        if (!isDiskTrouble(err)) throw err
        // what was doubted meanwhile may have to be fetched again, which finds out about the disk
        if (!root.have.isFull) throw err
        const again = new Promise<void>((resolve, reject) => {
          this.#onDiskRetry = resolve
          signal.addEventListener('abort', () => reject(abortReason(signal)), { once: true })
        })
        // the pause may give up at once: then nobody waits for it
        again.catch(() => {})
        this.#pause.failed(err)
        if (signal.aborted) throw abortReason(signal)
        await again.finally(() => {
          this.#onDiskRetry = undefined
        })
      }
    }
  }

  /** Why nothing arrives, as far as the node can tell. */
  stallError(timeoutMs = this.init.timeoutMs): ShoalError {
    const runner = this.#runner
    const root = this.#root
    return explainStall({
      cid: this.init.cid.toString(),
      timeoutMs,
      connections: this.#parts.network.connectionCount,
      lookup: this.#search?.lookup ?? { asked: 0, answered: 0, failed: 0 },
      providers: this.#search?.providers.size ?? 0,
      failures: new Map([...(runner?.facts.failures ?? [])].map(([reason, peers]) => [reason, peers.size])),
      sessions: runner?.sessions.length ?? 0,
      manifestKnown: root !== undefined,
      pieces: root?.pieces.count ?? 0,
      missingPieces: root === undefined ? 0 : root.pieces.count - root.have.count,
      unreachable: new Map([...this.#parts.network.unreachable, ...(this.#search?.unreachable ?? [])]),
      falsePieces: runner?.facts.falsePieces ?? 0,
      banned: runner?.facts.bannedPeers.size ?? 0
    })
  }

  #set(state: TransferSnapshot['state']): void {
    if (this.#state === state) return
    this.#state = state
    this.events.emit('state:changed', this.snapshot())
  }
}

/** Whether its manifest is whole: else it comes from the swarm again. */
export async function isReadable(root: StoredRoot): Promise<boolean> {
  return await root.load().then(
    () => true,
    () => false
  )
}
