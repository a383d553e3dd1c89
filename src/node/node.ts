/** A shoal node: store, swarms and network put together behind the public API. */
import { randomInt } from 'node:crypto'
import { CID } from 'multiformats/cid'
import { combineSignals, withLinked } from '../base/abort-signals.ts'
import { systemClock } from '../base/clock.ts'
import { ShoalError, throwIfAborted } from '../base/errors.ts'
import { type Logger, silentLogger } from '../base/log.ts'
import { seededRandom } from '../base/random.ts'
import { TypedEvents } from '../base/typed-events.ts'
import { ContentStore } from '../content/store/content-store.ts'
import type { StoredRoot } from '../content/store/stored-root.ts'
import type { SwarmHost } from '../transfer/io/swarm-host.ts'
import type {
  AbortOptions,
  FetchOptions,
  GcOptions,
  GcReport,
  HashProgress,
  LimitSetting,
  Limits,
  NodeEvents,
  NodeLimits,
  NodeOptions,
  NodeStatus,
  PeerInfo,
  ReadOptions,
  Removed,
  RootInfo,
  Shared,
  ShareOptions,
  ShoalNode,
  StorageLimited,
  Transfer,
  VerifyResult
} from './api.ts'
import { checkFlag } from './check-arguments.ts'
import { makeDataDir } from './data-dir.ts'
import { endInTurn } from './end-in-turn.ts'
import { Fetches } from './fetches.ts'
import { checkLimits, LimitBook } from './limit-book.ts'
import { LimitRecords } from './limit-records.ts'
import { loadOnline, type Online } from './load-online.ts'
import type { Network } from './network.ts'
import { opened } from './not-started.ts'
import { describePeers } from './peers-report.ts'
import { read } from './read.ts'
import { remove } from './remove.ts'
import { Roots } from './roots.ts'
import { ScheduleRecords } from './schedule-records.ts'
import { share } from './share.ts'
import { parseSource } from './sources.ts'
import { describeNode } from './status-report.ts'
import { NodeStorage } from './storage/node-storage.ts'

const MAX_PROBLEMS = 100

export class Node implements ShoalNode {
  readonly #options: NodeOptions
  readonly #log: Logger
  readonly #events = new TypedEvents<NodeEvents>()
  readonly #problems: ShoalError[] = []
  readonly #fetches: Fetches
  readonly #stopping = new AbortController()
  readonly #startedAt = performance.now()
  #store: ContentStore | undefined
  #swarms: SwarmHost | undefined
  #network: Network | undefined
  #roots: Roots | undefined
  #limits: LimitBook | undefined
  #storage: NodeStorage | undefined
  #schedule: ScheduleRecords | undefined
  readonly #working = new Set<Promise<void>>()
  #starting: Promise<void> | undefined
  #stopped: Promise<void> | undefined
  #isClosed = false

  constructor(options: NodeOptions) {
    this.#options = options
    this.#log = options.log ?? silentLogger
    this.#fetches = new Fetches({
      parts: () => ({ ...this.#online, store: this.#openStore, roots: this.#openRoots, storage: this.#openStorage }),
      store: () => this.#openStore,
      roots: () => this.#openRoots,
      limits: () => this.#openLimits,
      storage: () => this.#openStorage,
      dataDir: options.dataDir,
      stopping: this.#stopping.signal
    })
  }

  get peerId(): string {
    return this.#network?.host.peerId ?? ''
  }

  get addrs(): string[] {
    return this.#network?.host.addrs() ?? []
  }

  get problems(): readonly ShoalError[] {
    return [...this.#problems, ...(this.#storage?.problems ?? [])]
  }

  async start(options: AbortOptions = {}): Promise<void> {
    throwIfAborted(options.signal)
    if (this.#starting !== undefined || this.#stopped !== undefined) {
      throw new ShoalError('ERR_USAGE', 'a node is started once', { hint: 'make another with createNode' })
    }
    this.#starting = this.#start(combineSignals(this.#stopping.signal, options.signal))
    try {
      await this.#starting
    } catch (err) {
      await this.stop()
      throw err
    }
  }

  async #start(signal: AbortSignal): Promise<void> {
    const { dataDir, offline } = this.#options
    const online = offline === true ? undefined : loadOnline()
    for (const closed of await makeDataDir(dataDir)) this.#problem(new ShoalError('ERR_NO_PERMISSION', closed))
    throwIfAborted(signal)
    const store = await ContentStore.open(dataDir, { log: this.#log.scope('store'), clock: systemClock })
    this.#store = store
    for (const loss of store.damage) this.#problem(new ShoalError('ERR_STORE_DAMAGED', loss))
    throwIfAborted(signal)
    const schedule = new ScheduleRecords(store.kv)
    this.#schedule = schedule
    const held = new Set(store.roots().map(root => root.cid.toString()))
    for (const cid of (await schedule.load()).keys()) if (!held.has(cid)) await schedule.remove(cid)
    const limits = new LimitBook({
      node: this.#options,
      records: new LimitRecords(store.kv),
      swarms: () => this.#swarms,
      log: this.#log,
      onChanged: event => this.#events.emit('limits:changed', event)
    })
    await limits.load(held)
    this.#limits = limits
    if (online !== undefined) await this.#goOnline(await online, schedule, limits)
    throwIfAborted(signal)
    this.#roots = new Roots({
      store,
      swarms: this.#swarms,
      network: this.#network,
      log: this.#log,
      limitsOf: cid => limits.of(cid),
      onChanged: (root, problem) => this.#changed(root, problem)
    })
    const storage = await NodeStorage.open({
      ...{ dataDir, store, log: this.#log, roots: this.#roots, swarms: this.#swarms, network: this.#network },
      limit: this.#options.maxStorage ?? null,
      ...{ clock: systemClock, signal: this.#stopping.signal },
      forget: cid => this.#forget(cid),
      onEvicted: event => this.#events.emit('root:evicted', event),
      onLimited: event => this.#events.emit('storage:limited', event),
      onExceeded: event => this.#events.emit('storage:exceeded', event)
    })
    this.#storage = storage
    if (this.#network === undefined) return
    this.#background(this.#roots.seedAll(this.#stopping.signal).then(() => storage.settle()))
  }

  async #goOnline({ Network, SwarmHost }: Online, schedule: ScheduleRecords, limits: LimitBook): Promise<void> {
    const { dataDir, listen, announce, peers = [], dht = 'server', encryption, muxer } = this.#options
    const network = await Network.start({
      ...{ dataDir, listen, announce, peers, dht, encryption, muxer },
      schedule,
      clock: systemClock,
      log: this.#log,
      isBanned: peerId => this.#swarms?.isBanned(peerId) ?? false,
      onStream: stream => {
        if (this.#swarms === undefined) stream.abort(new ShoalError('ERR_UNREACHABLE', 'the node is starting'))
        else this.#swarms.accept(stream)
      }
    })
    this.#network = network
    this.#swarms = new SwarmHost({
      selfId: network.host.peerId,
      dialer: network.host.dialer,
      addrsOf: peerId => network.addrsOf(peerId),
      onOffence: addr => network.host.offended(addr),
      clock: systemClock,
      random: seededRandom(randomInt(2 ** 32)),
      log: this.#log.scope('swarm'),
      up: limits.node.up ?? undefined,
      down: limits.node.down ?? undefined,
      limitsOf: root => limits.ratesOf(root),
      sideHasher: this.#store?.sideHasher
    })
    this.#swarms.events.on('peer:banned', event => this.#events.emit('peer:banned', event))
    network.events.on('announced', event => this.#events.emit('root:announced', event))
    network.events.on('peer:identified', ({ peerId, addrs }) => this.#swarms?.learned(peerId, addrs))
    network.events.on('peer:connected', event => this.#events.emit('peer:connected', event))
    network.events.on('peer:disconnected', event => this.#events.emit('peer:disconnected', event))
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stop()
    return this.#stopped
  }

  async #stop(): Promise<void> {
    this.#stopping.abort(new ShoalError('ERR_ABORTED', 'the node is stopping'))
    await Promise.allSettled([this.#starting])
    await this.#fetches.stop()
    await Promise.allSettled([...this.#working])
    const parts = [() => this.#storage?.stop(), () => this.#swarms?.stop(), () => this.#network?.stop()]
    await endInTurn([...parts, () => this.#store?.close()]).finally(() => {
      this.#isClosed = true
    })
  }

  /** Work that `stop` ends and waits for; its failure is told to whoever asked for it. */
  async #work<T>({ signal }: AbortOptions, run: (signal: AbortSignal) => Promise<T>): Promise<T> {
    opened(this.#store, this.#isClosed)
    const work = withLinked([this.#stopping.signal, signal], async linked => {
      throwIfAborted(linked)
      return await run(linked)
    })
    this.#background(work)
    return await work
  }

  #background(work: Promise<unknown>): void {
    const settled = Promise.allSettled([work]).then(() => {
      this.#working.delete(settled)
    })
    this.#working.add(settled)
  }

  async share(path: string, options: ShareOptions = {}): Promise<Shared> {
    checkLimits(options)
    const { dataDir } = this.#options
    const parts = { dataDir, store: this.#openStore, fetches: this.#fetches }
    const more = { limits: this.#openLimits, roots: this.#openRoots }
    const shared = await this.#work(options, signal => share({ ...parts, ...more }, path, { ...options, signal }))
    const { cid, link } = shared
    this.#events.emit('root:shared', { cid, link, path: shared.path })
    return shared
  }

  async announced(cidText: string, options: AbortOptions = {}): Promise<number> {
    const { network } = this.#online
    return await network.reprovider.announced(this.#rootOf(cidText).cid, options)
  }

  fetch(source: string, options: FetchOptions = {}): Transfer {
    const transfer = this.#fetches.fetch(source, options)
    this.#background(transfer.done)
    return transfer
  }

  read(source: string, options: ReadOptions = {}): AsyncGenerator<Uint8Array> {
    const parts = () => ({ store: this.#openStore, storage: this.#openStorage, fetches: this.#fetches })
    const { dataDir } = this.#options
    return read(() => ({ ...parts(), dataDir, stopping: this.#stopping.signal }), source, options)
  }

  async list({ signal }: AbortOptions = {}): Promise<RootInfo[]> {
    throwIfAborted(signal)
    return await Promise.all(this.#openStore.roots().map(root => this.#openRoots.describe(root)))
  }

  async remove(cidText: string, options: AbortOptions = {}): Promise<Removed> {
    return await this.#work(options, async () => {
      const { cid } = this.#rootOf(cidText)
      const storage = this.#openStorage
      const parts = { store: this.#openStore, roots: this.#openRoots, fetches: this.#fetches }
      const removed = await remove({ ...parts, forget: text => storage.forget(text) }, cid)
      this.#events.emit('root:removed', { cid: removed.cid })
      return removed
    })
  }

  /** What is kept of a root besides the store's own records. */
  async #forget(cid: string): Promise<void> {
    await this.#schedule?.remove(cid)
    await this.#limits?.forget(cid)
  }

  async setPinned(cidText: string, pinned: boolean, { signal }: AbortOptions = {}) {
    throwIfAborted(signal)
    checkFlag('pinned', pinned)
    const { cid } = this.#rootOf(cidText)
    await this.#openStore.setEvictable(cid, !pinned)
    this.#events.emit('root:pinned', { cid: cid.toString(), pinned })
    return { cid: cid.toString(), pinned }
  }

  async gc(options: GcOptions & AbortOptions = {}): Promise<GcReport> {
    return await this.#work(options, () => this.#openStorage.collectGarbage(options))
  }

  async status(options: AbortOptions & { cid?: string } = {}): Promise<NodeStatus> {
    throwIfAborted(options.signal)
    const roots = this.#openRoots
    const chosen = options.cid === undefined ? this.#openStore.roots() : [this.#rootOf(options.cid)]
    const described = await Promise.all(chosen.map(root => roots.describe(root, options.cid !== undefined)))
    return {
      ...describeNode(this.#network, this.#swarms),
      dataDir: this.#options.dataDir,
      uptimeMs: Math.round(performance.now() - this.#startedAt),
      limits: { ...this.#openLimits.node },
      storage: this.#openStorage.info(),
      roots: described,
      problems: this.problems.map(problem => problem.message)
    }
  }

  async peers({ signal }: AbortOptions = {}): Promise<PeerInfo[]> {
    throwIfAborted(signal)
    opened(this.#storage, this.#isClosed)
    return this.#network === undefined ? [] : describePeers(this.#network, this.#swarms)
  }

  async limits({ signal }: AbortOptions = {}): Promise<NodeLimits> {
    throwIfAborted(signal)
    return this.#openLimits.all()
  }

  async setLimits({ cid: text, ...change }: LimitSetting, { signal }: AbortOptions = {}): Promise<Limits> {
    throwIfAborted(signal)
    checkLimits(change)
    if (text === undefined) return { ...this.#openLimits.setNode(change) }
    const { cid } = parseSource(text)
    // a fetch that has no manifest yet has no root
    if (!this.#fetches.isFetching(cid)) this.#rootOf(cid)
    return { ...(await this.#openLimits.setRoot(cid, change)) }
  }

  async setMaxStorage(limit: number | null, { signal }: AbortOptions = {}): Promise<StorageLimited> {
    throwIfAborted(signal)
    return await this.#openStorage.setMaxStorage(limit)
  }

  async verify(
    cidText: string,
    options: AbortOptions & { onProgress?: (progress: HashProgress) => void } = {}
  ): Promise<VerifyResult> {
    return await this.#work(options, async signal => {
      const root = this.#rootOf(cidText)
      await root.load()
      const before = root.have.clone()
      const { bad, wrong } = await root.verify({ ...options, signal })
      if (before.lacksAnyOf(root.have)) this.#openRoots.refresh(root)
      return { cid: root.cid.toString(), pieces: root.pieces.count, bad, wrong }
    })
  }

  async connect(addr: string, options: AbortOptions = {}): Promise<void> {
    await this.#online.network.connect(addr, options.signal)
  }

  on<K extends keyof NodeEvents>(name: K, listener: (event: NodeEvents[K]) => void): () => void {
    return this.#events.on(name, listener)
  }

  get #openStore(): ContentStore {
    return opened(this.#store, this.#isClosed)
  }

  get #openRoots(): Roots {
    return opened(this.#roots, this.#isClosed)
  }

  get #openLimits(): LimitBook {
    return opened(this.#limits, this.#isClosed)
  }

  get #openStorage(): NodeStorage {
    return opened(this.#storage, this.#isClosed)
  }

  get #online(): { network: Network; swarms: SwarmHost } {
    if (this.#options.offline === true) {
      throw new ShoalError('ERR_NOT_RUNNING', 'this node is offline', { hint: 'start it with the network' })
    }
    return { network: opened(this.#network, this.#isClosed), swarms: opened(this.#swarms, this.#isClosed) }
  }

  /** @throws ERR_BAD_CID, ERR_UNKNOWN_ROOT */
  #rootOf(text: string): StoredRoot {
    const { cid } = parseSource(text)
    const root = this.#openStore.get(CID.parse(cid))
    if (root !== undefined) return root
    throw new ShoalError('ERR_UNKNOWN_ROOT', `${cid} is not held here`, { hint: 'shoal ls shows what is' })
  }

  #changed(root: StoredRoot, problem: string): void {
    this.#problem(new ShoalError('ERR_FILE_CHANGED', problem, { details: { cid: root.cid.toString() } }))
    this.#events.emit('file:changed', { cid: root.cid.toString(), path: root.path, reason: problem })
  }

  #problem(problem: ShoalError): void {
    this.#problems.push(problem)
    if (this.#problems.length > MAX_PROBLEMS) this.#problems.shift()
    this.#log.warn(problem.message)
  }
}
