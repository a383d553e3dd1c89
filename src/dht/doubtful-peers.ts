/**
 * Connected peers that failed to answer a query. Most were only slow, and would not come back by themselves, having no
 * reason to connect again; but some have lost their network or were stopped, and cost every lookup a timeout for as long
 * as their connection lasts. So each is pinged: who does not answer leaves the routing table, and is pinged again, less
 * and less often, until it answers or its connection ends.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { PeerId } from '@libp2p/interface'
import type { RoutingTableView } from './kad.ts'
import type { Contacts } from './sure-contacts.ts'

/** Pauses between pings; the last one is repeated. */
const PAUSES_MS = [5_000, 15_000, 60_000, 120_000]

export interface DoubtfulPeersInit {
  table: Pick<RoutingTableView, 'add' | 'remove'>
  contacts: Contacts
  isConnected: (peer: PeerId) => boolean
  /** Resolves after `ms`, rejects when the signal fires. Tests have a time of their own. */
  wait?: (ms: number, signal: AbortSignal) => Promise<void>
}

/** Invariant: a peer in `contacts.doubted` is being examined, is connected, and is not in the table by our doing. */
export class DoubtfulPeers {
  readonly #init: DoubtfulPeersInit
  readonly #wait: (ms: number, signal: AbortSignal) => Promise<void>
  /** Under examination; a signal ends each. */
  readonly #examined = new Map<string, { abort: AbortController; done: Promise<void> }>()

  constructor(init: DoubtfulPeersInit) {
    this.#init = init
    this.#wait = init.wait ?? ((ms, signal) => delay(ms, undefined, { signal, ref: false }))
  }

  /** A connected peer failed to answer. */
  doubt(peer: PeerId): void {
    const id = peer.toString()
    if (this.#examined.has(id)) return
    const abort = new AbortController()
    const done = this.#examine(peer, abort.signal)
      .catch(() => {})
      .finally(() => {
        this.#init.contacts.doubted.delete(id)
        this.#examined.delete(id)
      })
    this.#examined.set(id, { abort, done })
  }

  /** Its connection ended. @returns whether it was in doubt: then that was why it did not answer */
  disconnected(peer: PeerId): boolean {
    const examined = this.#examined.get(peer.toString())
    examined?.abort.abort()
    return examined !== undefined
  }

  async stop(): Promise<void> {
    for (const { abort } of this.#examined.values()) abort.abort()
    await Promise.all([...this.#examined.values()].map(({ done }) => done))
  }

  async #examine(peer: PeerId, signal: AbortSignal): Promise<void> {
    const { table, contacts, isConnected } = this.#init
    for (let round = 0; ; round++) {
      const answers = await contacts.ping(peer).catch(() => false)
      if (signal.aborted || !isConnected(peer)) return
      if (answers) {
        contacts.doubted.delete(peer.toString())
        if (round > 0) await table.add(peer)
        return
      }
      if (round === 0) {
        contacts.doubted.add(peer.toString())
        await table.remove(peer)
      }
      await this.#wait(PAUSES_MS[Math.min(round, PAUSES_MS.length - 1)] ?? 0, signal)
    }
  }
}
