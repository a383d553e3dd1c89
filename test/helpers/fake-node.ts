/** A node in memory: it implements the public face, records what it was asked, and does what the test tells it. */
import { basename } from 'node:path'
import { abortError, ShoalError } from '../../src/base/errors.ts'
import { TypedEvents } from '../../src/base/typed-events.ts'
import type {
  AbortOptions,
  FetchOptions,
  FetchResult,
  GarbageItem,
  GcOptions,
  GcReport,
  HashProgress,
  LimitSetting,
  Limits,
  NodeEvents,
  NodeLimits,
  NodeStatus,
  PeerInfo,
  Removed,
  RootInfo,
  Shared,
  ShareOptions,
  ShoalNode,
  StorageInfo,
  StorageLimited,
  Transfer,
  TransferEvents,
  TransferSnapshot,
  VerifyResult
} from '../../src/node/api.ts'

export const CID_A = 'bafkreifzjut3te7nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e'
export const CID_B = 'bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi'
export const PEER_ID = '12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA'

export function rootInfo(changes: Partial<RootInfo> = {}): RootInfo {
  return {
    cid: CID_A,
    name: 'film.mkv',
    path: '/data/film.mkv',
    size: 97_400_000,
    have: 97_400_000,
    pieces: 93,
    piecesHave: 93,
    state: 'seeding',
    problem: null,
    peers: 2,
    up: 1_200_000,
    down: 0,
    sentBytes: 500_000_000,
    receivedBytes: 0,
    limits: { up: null, down: null },
    pinned: true,
    link: `shoal:${CID_A}?name=film.mkv`,
    ...changes
  }
}

export function snapshotOf(changes: Partial<TransferSnapshot> = {}): TransferSnapshot {
  return {
    cid: CID_A,
    name: 'film.mkv',
    path: '/data/film.mkv',
    state: 'fetching',
    have: 44_100_000,
    size: 97_400_000,
    pieces: 98,
    piecesHave: 42,
    peers: 3,
    peersKnown: 5,
    problem: null,
    rate: 118_000_000,
    upRate: 0,
    etaMs: 450,
    ...changes
  }
}

export class FakeTransfer implements Transfer {
  readonly cid = CID_A
  readonly done: Promise<FetchResult>
  readonly events = new TypedEvents<TransferEvents>()
  readonly options: FetchOptions
  readonly #settle: { resolve(result: FetchResult): void; reject(err: Error): void }
  current = snapshotOf({ state: 'finding', have: 0, size: 0 })

  constructor(options: FetchOptions) {
    this.options = options
    this.#settle = { resolve: () => {}, reject: () => {} }
    this.done = new Promise((resolve, reject) => {
      this.#settle.resolve = resolve
      this.#settle.reject = reject
    })
    this.done.catch(() => {})
    const { signal } = options
    signal?.addEventListener('abort', () => this.fail(abortError(signal)), { once: true })
  }

  snapshot(): TransferSnapshot {
    return this.current
  }

  on<K extends keyof TransferEvents>(name: K, listener: (event: TransferEvents[K]) => void): () => void {
    return this.events.on(name, listener)
  }

  cancel(): void {
    this.fail(new ShoalError('ERR_ABORTED', 'interrupted'))
  }

  progress(changes: Partial<TransferSnapshot>): void {
    this.current = snapshotOf(changes)
    this.events.emit('progressed', this.current)
  }

  /** Into another state. */
  turn(changes: Partial<TransferSnapshot>): void {
    this.current = snapshotOf(changes)
    this.events.emit('state:changed', this.current)
  }

  finish(changes: Partial<FetchResult> = {}): void {
    this.#settle.resolve({
      cid: CID_A,
      path: '/data/film.mkv',
      size: 97_400_000,
      seconds: 1.2,
      fetched: 97_400_000,
      resumed: 0,
      peers: 3,
      skipped: [],
      ...changes
    })
  }

  fail(err: Error): void {
    this.#settle.reject(err)
  }
}

interface FakeEvents {
  called: { method: string; args: unknown[] }
}

export class FakeNode implements ShoalNode {
  readonly peerId = PEER_ID
  readonly addrs = [`/ip4/127.0.0.1/tcp/4160/p2p/${PEER_ID}`]
  readonly problems: readonly ShoalError[] = []
  readonly events = new TypedEvents<NodeEvents>()
  readonly asked = new TypedEvents<FakeEvents>()
  readonly calls: Array<{ method: string; args: unknown[] }> = []
  readonly transfers: FakeTransfer[] = []
  readonly signals = new Map<string, AbortSignal | undefined>()
  roots: RootInfo[] = []
  nodeLimits: NodeLimits = { up: 5_000_000, down: null, roots: [] }
  connections: PeerInfo[] = []
  storeProblems: string[] = []
  bad: VerifyResult['bad'] = []
  wrong: VerifyResult['wrong'] = []
  /** Thrown by the method of that name. */
  failures: Record<string, Error> = {}
  /** Awaited by the method of that name, unless its signal fires first. */
  gates: Record<string, Promise<unknown>> = {}
  hashProgress: HashProgress[] = []
  shareChanges: Partial<Shared> = {}
  removedChanges: Partial<Removed> = {}
  garbage: GarbageItem[] = []
  gcChanges: Partial<GcReport> = {}
  storage: StorageInfo = { used: 0, reserved: 0, limit: null, evictable: 0 }
  storageProblem: string | null = null
  announcedNodes = 3
  running = false
  stops = 0
  /** Decides what a fetch does once it is asked for; default: nothing until the test says so. */
  onFetch: (transfer: FakeTransfer) => void = () => {}

  async #call(method: string, args: unknown[], signal?: AbortSignal): Promise<void> {
    this.signals.set(method, signal)
    this.calls.push({ method, args })
    this.asked.emit('called', { method, args })
    const failure = this.failures[method]
    if (failure !== undefined) throw failure
    const gate = this.gates[method]
    if (gate === undefined) return
    await new Promise<void>((resolve, reject) => {
      gate.then(() => resolve(), reject)
      signal?.addEventListener('abort', () => reject(abortError(signal)), { once: true })
    })
  }

  async start({ signal }: AbortOptions = {}): Promise<void> {
    await this.#call('start', [], signal)
    this.running = true
  }

  async stop(): Promise<void> {
    this.running = false
    this.stops += 1
  }

  async share(path: string, { signal, hidden, onProgress, ...limits }: ShareOptions = {}): Promise<Shared> {
    for (const progress of this.hashProgress) onProgress?.(progress)
    await this.#call('share', Object.keys(limits).length === 0 ? [path, hidden] : [path, hidden, limits], signal)
    return {
      cid: CID_A,
      link: `shoal:${CID_A}?name=${basename(path)}`,
      path,
      size: 97_400_000,
      pieces: 93,
      files: 1,
      skipped: [],
      ...this.shareChanges
    }
  }

  async announced(cid: string, { signal }: AbortOptions = {}): Promise<number> {
    await this.#call('announced', [cid], signal)
    return this.announcedNodes
  }

  fetch(source: string, options: FetchOptions = {}): Transfer {
    const { signal: _signal, ...plain } = options
    this.signals.set('fetch', options.signal)
    this.calls.push({ method: 'fetch', args: [source, plain] })
    const transfer = new FakeTransfer(options)
    this.transfers.push(transfer)
    const failure = this.failures['fetch']
    if (failure !== undefined) transfer.fail(failure)
    this.onFetch(transfer)
    this.asked.emit('called', { method: 'fetch', args: [source, plain] })
    return transfer
  }

  async list({ signal }: AbortOptions = {}): Promise<RootInfo[]> {
    await this.#call('list', [], signal)
    return this.roots
  }

  async remove(cid: string, { signal }: AbortOptions = {}): Promise<Removed> {
    await this.#call('remove', [cid], signal)
    return { cid, path: '/data/film.mkv', temp: null, left: false, ...this.removedChanges }
  }

  async setPinned(cid: string, pinned: boolean, { signal }: AbortOptions = {}) {
    await this.#call('setPinned', [cid, pinned], signal)
    return { cid, pinned }
  }

  async gc({ signal, ...options }: GcOptions & AbortOptions = {}): Promise<GcReport> {
    await this.#call('gc', [options], signal)
    return { dryRun: options.dryRun === true, items: this.garbage, freed: 0, garbage: 0, kept: 0, ...this.gcChanges }
  }

  async status({ signal, cid }: AbortOptions & { cid?: string } = {}): Promise<NodeStatus> {
    await this.#call('status', [cid], signal)
    return {
      peerId: this.peerId,
      addrs: this.addrs,
      dataDir: '/data/shoal',
      mode: 'embedded',
      pid: 4711,
      uptimeMs: 11_400_000,
      version: '0.1.0',
      connections: 5,
      dht: { mode: 'server', peers: 8, provided: 1, nextReprovideMs: 75_600_000 },
      up: 1_200_000,
      down: 0,
      limits: { up: 5_000_000, down: null },
      sentBytes: 500_000_000,
      receivedBytes: 0,
      storage: this.storage,
      roots: cid === undefined ? this.roots : this.roots.filter(root => root.cid === cid),
      problems: this.storeProblems
    }
  }

  async peers({ signal }: AbortOptions = {}): Promise<PeerInfo[]> {
    await this.#call('peers', [], signal)
    return this.connections
  }

  async limits({ signal }: AbortOptions = {}): Promise<NodeLimits> {
    await this.#call('limits', [], signal)
    return this.nodeLimits
  }

  async setLimits(change: LimitSetting, { signal }: AbortOptions = {}): Promise<Limits> {
    await this.#call('setLimits', [change], signal)
    const { cid, up, down } = change
    const before = (cid === undefined ? this.nodeLimits : this.nodeLimits.roots.find(root => root.cid === cid)) ?? {
      up: null,
      down: null
    }
    return { up: up === undefined ? before.up : up, down: down === undefined ? before.down : down }
  }

  async setMaxStorage(limit: number | null, { signal }: AbortOptions = {}): Promise<StorageLimited> {
    await this.#call('setMaxStorage', [limit], signal)
    this.storage = { ...this.storage, limit }
    return { ...this.storage, problem: this.storageProblem }
  }

  async verify(
    cid: string,
    { signal, onProgress }: AbortOptions & { onProgress?: (p: HashProgress) => void } = {}
  ): Promise<VerifyResult> {
    for (const progress of this.hashProgress) onProgress?.(progress)
    await this.#call('verify', [cid], signal)
    return { cid, pieces: 93, bad: this.bad, wrong: this.wrong }
  }

  async *read(): AsyncGenerator<Uint8Array> {}

  async connect(addr: string, { signal }: AbortOptions = {}): Promise<void> {
    await this.#call('connect', [addr], signal)
  }

  on<K extends keyof NodeEvents>(name: K, listener: (event: NodeEvents[K]) => void): () => void {
    return this.events.on(name, listener)
  }

  /** Resolves when the method has been asked for (again), or at once when it was asked before. */
  async wasAsked(method: string): Promise<void> {
    if (this.calls.some(call => call.method === method)) return
    await new Promise<void>(resolve => {
      const off = this.asked.on('called', call => {
        if (call.method !== method) return
        off()
        resolve()
      })
    })
  }
}
