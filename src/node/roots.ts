/** The roots that a node holds, each bound to its swarm: seeding, withdrawing, describing. */
import type { CID } from 'multiformats/cid'
import type { Logger } from '../base/log.ts'
import { formatLink } from '../content/link.ts'
import type { ContentStore } from '../content/store/content-store.ts'
import type { StoredRoot } from '../content/store/stored-root.ts'
import type { SwarmHost } from '../transfer/io/swarm-host.ts'
import type { RootInfo } from './api.ts'
import type { Network } from './network.ts'

export interface RootsInit {
  readonly store: ContentStore
  /** Absent when the node is offline. */
  readonly swarms?: SwarmHost | undefined
  readonly network?: Network | undefined
  readonly log: Logger
  readonly onChanged: (root: StoredRoot, problem: string) => void
}

export class Roots {
  readonly #init: RootsInit
  readonly #fetching = new Set<string>()

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
        await this.seed(root)
      } catch (err) {
        if (signal.aborted) return
        this.#init.log.error(`cannot seed ${root.name}: ${err instanceof Error ? err.message : String(err)}`)
      }
      if (root.problem !== null) this.#init.onChanged(root, root.problem)
    }
  }

  /** Serves the root from now on and announces it. A swarm of the same root starts anew. */
  async seed(root: StoredRoot): Promise<void> {
    const { swarms, network } = this.#init
    if (swarms === undefined || network === undefined) return
    const known = swarms.get(root.cid.bytes)
    if (known !== undefined && known.storage !== root) await swarms.close(root.cid.bytes)
    const runner = swarms.open(root.cid.bytes)
    if (runner.storage !== root) {
      runner.attach(root, { fetch: false })
      runner.events.on('pieces:lost', () => {
        if (root.problem !== null) this.#init.onChanged(root, root.problem)
      })
    }
    if (root.have.count > 0) network.announce(root.cid)
  }

  async withdraw(cid: CID): Promise<void> {
    await this.#init.swarms?.close(cid.bytes)
    await this.#init.network?.withdraw(cid)
  }

  markFetching(cid: string, fetching: boolean): void {
    if (fetching) this.#fetching.add(cid)
    else this.#fetching.delete(cid)
  }

  linkTo(cid: CID, name: string): string {
    return formatLink({ cid, name, peers: this.#init.network?.host.addrs() ?? [] })
  }

  async describe(root: StoredRoot, withBitfield = false): Promise<RootInfo> {
    const cid = root.cid.toString()
    const runner = this.#init.swarms?.get(root.cid.bytes)
    const rates = runner?.rates() ?? { up: 0, down: 0 }
    // a root whose DAG nodes were lost has a name and a path, and no pieces that could be told apart
    const known = await root.load().then(
      () => true,
      () => false
    )
    return {
      cid,
      name: root.name,
      path: root.path,
      size: root.totalBytes,
      have: known ? root.heldBytes : 0,
      pieces: root.pieceCount,
      piecesHave: known ? root.have.count : 0,
      state: this.#stateOf(root, cid),
      problem: root.problem,
      peers: runner?.sessions.length ?? 0,
      up: Math.round(rates.up),
      down: Math.round(rates.down),
      sentBytes: runner?.sentBytes ?? 0,
      receivedBytes: runner?.receivedBytes ?? 0,
      link: this.linkTo(root.cid, root.name),
      ...(withBitfield && known ? { bitfield: Buffer.from(root.have.bytes).toString('base64') } : {})
    }
  }

  #stateOf(root: StoredRoot, cid: string): RootInfo['state'] {
    if (root.state === 'damaged' || root.problem !== null) return 'damaged'
    if (root.state === 'complete') return 'seeding'
    return this.#fetching.has(cid) ? 'fetching' : 'partial'
  }
}
