/** Binds the storage limit to the parts of a node. */
import type { CID } from 'multiformats/cid'
import { linkSignals } from '../../base/abort-signals.ts'
import type { Clock } from '../../base/clock.ts'
import { ShoalError } from '../../base/errors.ts'
import type { Logger } from '../../base/log.ts'
import { MINUTE_MS, SECOND_MS } from '../../base/units.ts'
import type { FetchInit } from '../../content/store/begin-fetch.ts'
import type { ContentStore } from '../../content/store/content-store.ts'
import { nodeDisk } from '../../content/store/node-disk.ts'
import type { StoredRoot } from '../../content/store/stored-root.ts'
import type { SwarmHost } from '../../transfer/io/swarm-host.ts'
import type { GcOptions, GcReport, NodeEvents, StorageInfo, StorageLimited } from '../api.ts'
import type { Network } from '../network.ts'
import type { Roots } from '../roots.ts'
import { cacheFolder } from './cache-folder.ts'
import { liesIn } from './footprint.ts'
import { checkMaxStorage } from './max-storage.ts'
import { followMovedCache } from './moved-cache.ts'
import { realPathOf } from './real-path.ts'
import { Storage } from './storage.ts'
import { type TidyInit, tidyFolders } from './tidy-folders.ts'
import { UseBook } from './use-book.ts'

/** How long others are looked for before a root goes, and of how many it is enough to hear. */
const LOOKUP_MS = 5 * SECOND_MS
const ENOUGH_HOLDERS = 8
const NOTE_EVERY_MS = MINUTE_MS

export interface NodeStorageInit {
  readonly dataDir: string
  readonly store: ContentStore
  readonly roots: Roots
  /** Both undefined while the node is offline. */
  readonly swarms: SwarmHost | undefined
  readonly network: Network | undefined
  readonly limit: number | null
  readonly clock: Clock
  /** The node is stopping. */
  readonly signal: AbortSignal
  readonly log: Logger
  /** What else is kept of a root that is gone. */
  readonly forget: (cid: string) => Promise<void>
  readonly onEvicted: (event: NodeEvents['root:evicted']) => void
  readonly onLimited: (event: StorageInfo) => void
  readonly onExceeded: (event: NodeEvents['storage:exceeded']) => void
}

export class NodeStorage extends Storage {
  readonly #init: NodeStorageInit
  readonly #uses: UseBook
  readonly #timer: NodeJS.Timeout
  #exceeded: ShoalError | undefined

  static async open(init: NodeStorageInit): Promise<NodeStorage> {
    await followMovedCache(init.dataDir, init.store.roots())
    const uses = new UseBook(init.store.kv)
    await uses.load(new Set(init.store.roots().map(root => root.cid.toString())))
    return new NodeStorage(init, uses)
  }

  private constructor(init: NodeStorageInit, uses: UseBook) {
    const { store, roots, swarms, network, limit, clock, log, signal, onEvicted } = init
    super({
      ...{ store, uses, limit, log, signal, onEvicted },
      wallMs: () => clock.wallMs(),
      realPath: realPathOf,
      activityOf: cid => {
        const runner = swarms?.get(cid.bytes)
        return { sentBytes: runner?.sentBytes ?? 0, givers: runner?.facts.givers.size ?? 0 }
      },
      findHolders: cid => findHolders(network, cid, signal),
      withdraw: async ({ cid }) => {
        await roots.withdraw(cid)
        return () => {
          const root = store.get(cid)
          if (root !== undefined) roots.seed(root)
        }
      },
      forget: cid => this.forget(cid)
    })
    this.#init = init
    this.#uses = uses
    this.#timer = setInterval(() => this.noteServed(), NOTE_EVERY_MS)
    this.#timer.unref()
  }

  /** That more is held than the limit allows, for as long as it is so. */
  get problems(): ShoalError[] {
    const { used, reserved, limit } = this.info()
    return this.#exceeded === undefined || limit === null || used + reserved <= limit ? [] : [this.#exceeded]
  }

  /** Deletes what may go while more is held than the limit allows, and tells where that is not enough. */
  async settle(): Promise<void> {
    this.#tell(await this.enforce())
  }

  /** @throws ERR_BAD_NUMBER */
  async setMaxStorage(limit: number | null): Promise<StorageLimited> {
    checkMaxStorage(limit)
    const before = this.info().limit
    const problem = await this.setLimit(limit)
    if (before !== limit) this.#init.onLimited(this.info())
    this.#tell(problem)
    return { ...this.info(), problem: problem ?? null }
  }

  #tell(problem: string | undefined): void {
    this.#exceeded = problem === undefined ? undefined : new ShoalError('ERR_NO_SPACE', problem)
    if (problem === undefined) return
    this.#init.log.warn(problem)
    this.#init.onExceeded({ message: problem })
  }

  /** Begins a fetch that there is room for. What goes into the data folder's cache is the node's to delete. */
  async beginFetch(init: FetchInit): Promise<StoredRoot> {
    const { store, dataDir } = this.#init
    const { root, totalBytes } = init.manifest
    // what is found or copied is not fetched; whether it is, the store knows once it has looked
    const cid = root.toString()
    const reserve = () => this.reserve(cid, { name: init.name, bytes: totalBytes })
    const evictable = liesIn(init.path, cacheFolder(dataDir))
    // whoever asked for it may be gone: a deletion would wait for the store's turn of this root, and this for its end
    return await this.holding(cid, () => store.beginFetch({ ...init, reserve, evictable }))
  }

  async collectGarbage({ dryRun = false, deletePartials = false }: GcOptions): Promise<GcReport> {
    const { store, dataDir, clock } = this.#init
    const { items, storeBefore, storeAfter } = await store.collectGarbage({ dryRun, deletePartials })
    const paths = () => store.roots().map(({ path }) => path)
    const held = (cid: CID) => store.get(cid)
    const whileUnused: TidyInit['whileUnused'] = (cid, work) => this.whileUnused(cid, work)
    const now = clock.wallMs()
    items.push(...(await tidyFolders({ disk: nodeDisk, dataDir, dryRun, now, held, paths, whileUnused })))
    const sum = (fate: GcReport['items'][number]['fate']) =>
      items.reduce((bytes, item) => bytes + (item.fate === fate ? item.size : 0), 0)
    return {
      dryRun,
      items,
      freed: sum('deleted') + Math.max(0, storeBefore - storeAfter),
      garbage: sum('garbage'),
      kept: sum('kept')
    }
  }

  /** The root was removed: what else is kept of it goes too. */
  async forget(cid: string): Promise<void> {
    await this.#uses.forget(cid)
    await this.#init.forget(cid)
  }

  override async stop(): Promise<void> {
    clearInterval(this.#timer)
    await super.stop()
  }
}

async function findHolders(network: Network | undefined, cid: CID, stopping: AbortSignal): Promise<number> {
  if (network === undefined) return 0
  const found = new Set<string>()
  const { signal, clear } = linkSignals(stopping, AbortSignal.timeout(LOOKUP_MS))
  try {
    for await (const { id } of network.host.routing.findProviders(cid, { signal })) {
      found.add(id)
      if (found.size >= ENOUGH_HOLDERS) break
    }
  } catch {
    // nobody answers: what was found until then counts
  } finally {
    clear()
  }
  return found.size
}
