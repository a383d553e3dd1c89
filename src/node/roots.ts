/** The roots that a node holds, each bound to its swarm: seeding, withdrawing, describing. */
import { CID } from 'multiformats/cid'
import type { Logger } from '../base/log.ts'
import { formatLink } from '../content/link.ts'
import type { ContentStore } from '../content/store/content-store.ts'
import type { StoredRoot } from '../content/store/stored-root.ts'
import type { SwarmHost } from '../transfer/io/swarm-host.ts'
import type { SwarmRunner } from '../transfer/io/swarm-runner.ts'
import type { Limits, RootInfo } from './api.ts'
import type { Network } from './network.ts'

export interface RootsInit {
  readonly store: ContentStore
  /** Absent when the node is offline. */
  readonly swarms?: SwarmHost | undefined
  readonly network?: Network | undefined
  readonly log: Logger
  readonly limitsOf: (cid: string) => Limits
  readonly onChanged: (root: StoredRoot, problem: string) => void
}

export class Roots {
  readonly #init: RootsInit
  readonly #fetching = new Set<string>()
  /** Fetches that wait for the disk, and why. */
  readonly #paused = new Map<string, string>()
  readonly #withdrawn = new Set<string>()
  readonly #watched = new WeakSet<SwarmRunner>()

  constructor(init: RootsInit) {
    this.#init = init
  }

  /** Seeds what the data folder holds, root by root; what changed on disk is withdrawn first. */
  async seedAll(signal: AbortSignal): Promise<void> {
    for (const root of this.#init.store.roots()) {
      if (signal.aborted) return
      try {
        await root.load()
        await root.recheckUnrecorded(signal)
        await root.checkFiles(signal)
        if (signal.aborted) return
        // removed or replaced while it was looked at
        if (!this.#isCurrent(root)) continue
        this.#serve(root)
        if (root.have.count > 0) this.#init.network?.resume(root.cid)
        else await this.#init.network?.withdraw(root.cid)
      } catch (err) {
        if (signal.aborted) return
        this.#init.log.error(`cannot seed ${root.name}: ${err instanceof Error ? err.message : String(err)}`)
      }
      if (root.problem !== null) this.#init.onChanged(root, root.problem)
    }
  }

  /** Serves the root from now on and announces it, unless it was removed or replaced meanwhile. */
  seed(root: StoredRoot): void {
    if (this.#init.store.get(root.cid) !== root) return
    this.#withdrawn.delete(root.cid.toString())
    this.#serve(root)
    if (root.have.count > 0) this.#init.network?.announceSeeding(root.cid)
  }

  /** The root is what the swarm serves from now on, instead of what it served before. Sessions stay. */
  attach(runner: SwarmRunner, root: StoredRoot, { fetch }: { fetch: boolean }): void {
    if (runner.storage === root) runner.setFetching(fetch)
    else runner.attach(root, { fetch })
    if (this.#watched.has(runner)) return
    this.#watched.add(runner)
    runner.events.on('pieces:lost', () => this.#lost(runner))
  }

  /** Pieces were found again on disk (a file was put back): the swarm is told. */
  refresh(root: StoredRoot): void {
    const runner = this.#init.swarms?.get(root.cid.bytes)
    if (runner?.storage !== root) return
    runner.attach(root, { fetch: this.#fetching.has(root.cid.toString()) })
    if (root.have.count > 0) this.#init.network?.resume(root.cid)
  }

  #serve(root: StoredRoot): void {
    const { swarms } = this.#init
    // replaced or removed while it was looked at; or a fetch has the swarm, and attaches what it continues
    if (swarms === undefined || !this.#isCurrent(root) || this.#fetching.has(root.cid.toString())) return
    this.attach(swarms.open(root.cid.bytes), root, { fetch: false })
  }

  #isCurrent(root: StoredRoot): boolean {
    return this.#init.store.get(root.cid) === root && !this.#withdrawn.has(root.cid.toString())
  }

  #lost(runner: SwarmRunner): void {
    const root = this.#init.store.get(CID.decode(runner.root))
    if (root === undefined || runner.storage !== root) return
    if (root.problem !== null) this.#init.onChanged(root, root.problem)
    if (root.have.count > 0 || this.#fetching.has(root.cid.toString())) return
    this.#init.network?.withdraw(root.cid).catch((err: unknown) => this.#init.log.warn(String(err)))
  }

  /** No longer served or announced, until it is seeded anew. */
  async withdraw(cid: CID): Promise<void> {
    this.#withdrawn.add(cid.toString())
    await this.#init.swarms?.close(cid.bytes)
    // it may be seeded anew meanwhile
    if (!this.#withdrawn.has(cid.toString())) return
    await this.#init.network?.withdraw(cid)
  }

  markFetching(cid: string, fetching: boolean): void {
    if (fetching) {
      this.#withdrawn.delete(cid)
      this.#fetching.add(cid)
    } else {
      this.#fetching.delete(cid)
      this.#paused.delete(cid)
    }
  }

  /** @param problem why the fetch waits for the disk; undefined: it goes on */
  markPaused(cid: string, problem: string | undefined): void {
    if (problem === undefined) this.#paused.delete(cid)
    else this.#paused.set(cid, problem)
  }

  linkTo(cid: CID, name: string): string {
    return formatLink({ cid, name, peers: this.#init.network?.host.addrs() ?? [] })
  }

  async describe(root: StoredRoot, withBitfield = false): Promise<RootInfo> {
    const cid = root.cid.toString()
    const runner = this.#init.swarms?.get(root.cid.bytes)
    const rates = runner?.rates() ?? { up: 0, down: 0 }
    if (withBitfield) await root.load().catch(() => {})
    return {
      cid,
      name: root.name,
      path: root.path,
      size: root.totalBytes,
      have: root.heldBytes,
      pieces: root.pieceCount,
      piecesHave: root.heldPieces,
      state: this.#stateOf(root, cid),
      problem: root.problem ?? this.#paused.get(cid) ?? null,
      peers: runner?.sessions.length ?? 0,
      up: Math.round(rates.up),
      down: Math.round(rates.down),
      sentBytes: runner?.sentBytes ?? 0,
      receivedBytes: runner?.receivedBytes ?? 0,
      limits: this.#init.limitsOf(cid),
      pinned: !root.isEvictable,
      link: this.linkTo(root.cid, root.name),
      ...(withBitfield && root.isLoaded ? { bitfield: Buffer.from(root.have.bytes).toString('base64') } : {})
    }
  }

  #stateOf(root: StoredRoot, cid: string): RootInfo['state'] {
    if (root.state === 'damaged' || root.problem !== null) return 'damaged'
    if (root.state === 'complete') return 'seeding'
    if (this.#paused.has(cid)) return 'paused'
    return this.#fetching.has(cid) ? 'fetching' : 'partial'
  }
}
