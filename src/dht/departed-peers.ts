/**
 * Peers of the routing table whose connection ended. Some were stopped; others only made room, or lost their network for
 * a moment, and are worth asking still. kad-dht keeps both until a query fails. So each is pinged soon, one at a time:
 * who does not answer leaves the table, and comes back when it connects.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { PeerId } from '@libp2p/interface'
import type { RoutingTableView } from './kad.ts'
import type { Contacts } from './sure-contacts.ts'

/**
 * Before each ping. It dials, so this bounds what a cut costs, and what a peer can cause that goes and comes: thirty
 * dials a minute.
 */
const GAP_MS = 2_000
/** Who waits longer than for so many others is found by a query that fails, as ever. */
const MAX_WAITING = 256

export interface DepartedPeersInit {
  table: Pick<RoutingTableView, 'find' | 'remove'>
  contacts: Pick<Contacts, 'ping'>
  isConnected: (peer: PeerId) => boolean
  /** Resolves after `ms`, rejects when the signal fires. Tests have a time of their own. */
  wait?: (ms: number, signal: AbortSignal) => Promise<void>
}

/** Invariant: one ping or pause at a time; it is under way while anybody waits. */
export class DepartedPeers {
  readonly #init: DepartedPeersInit
  readonly #wait: (ms: number, signal: AbortSignal) => Promise<void>
  readonly #waiting = new Map<string, PeerId>()
  readonly #stopped = new AbortController()
  #working: Promise<void> | undefined

  constructor(init: DepartedPeersInit) {
    this.#init = init
    this.#wait = init.wait ?? ((ms, signal) => delay(ms, undefined, { signal, ref: false }))
  }

  /** Its last connection ended. */
  left(peer: PeerId): void {
    if (this.#stopped.signal.aborted || this.#waiting.size >= MAX_WAITING) return
    this.#waiting.set(peer.toString(), peer)
    this.#working ??= this.#work()
      .catch(() => {})
      .finally(() => {
        this.#working = undefined
      })
  }

  async stop(): Promise<void> {
    this.#stopped.abort()
    await this.#working
  }

  async #work(): Promise<void> {
    const { table, contacts, isConnected } = this.#init
    for (const [id, peer] of this.#waiting) {
      if (await this.#isDue(peer)) {
        await this.#wait(GAP_MS, this.#stopped.signal)
        if (await this.#isDue(peer)) {
          const answers = await contacts.ping(peer).catch(() => false)
          if (this.#stopped.signal.aborted) return
          if (!answers && !isConnected(peer)) await table.remove(peer)
        }
      }
      // at the end, so that who leaves again meanwhile is not asked twice
      this.#waiting.delete(id)
    }
  }

  async #isDue(peer: PeerId): Promise<boolean> {
    return !this.#init.isConnected(peer) && (await this.#init.table.find(peer)) !== undefined
  }
}
