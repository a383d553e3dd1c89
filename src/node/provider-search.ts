/** Where a swarm's peers come from: the link, peers named by hand, and the DHT, asked again until the search ends. */
import { setTimeout as delay } from 'node:timers/promises'
import type { CID } from 'multiformats/cid'
import { SECOND_MS } from '../base/units.ts'
import type { ContentRouting } from '../dht/content-routing.ts'
import type { PeerSource } from '../transfer/io/seams.ts'
import type { PexPeer } from '../transfer/protocol/messages.ts'

/** Pauses between lookups: soon at first, as a young network still learns who is there. */
const PAUSES_MS = [1, 2, 3, 5, 10, 15].map(s => s * SECOND_MS)

export interface LookupFacts {
  asked: number
  answered: number
  failed: number
}

export class ProviderSearch implements PeerSource {
  /** Of the last finished or running lookup. */
  lookup: Readonly<LookupFacts> = { asked: 0, answered: 0, failed: 0 }
  /** Peers of the link that could not be reached: address → why. */
  readonly unreachable = new Map<string, string>()
  /** Peer IDs that were said to have it. */
  readonly providers = new Set<string>()
  readonly #cid: CID
  readonly #routing: ContentRouting
  /** Peers that are worth asking directly, looked at anew before every lookup. */
  readonly #named: () => readonly PexPeer[]

  constructor(cid: CID, routing: ContentRouting, named: () => readonly PexPeer[]) {
    this.#cid = cid
    this.#routing = routing
    this.#named = named
  }

  async find(
    _root: Uint8Array,
    { signal, onFound }: { signal: AbortSignal; onFound: (peers: readonly PexPeer[]) => void }
  ): Promise<void> {
    for (let round = 0; !signal.aborted; round++) {
      const named = this.#named()
      if (named.length > 0) onFound(named)
      try {
        const lookup = this.#routing.findProviders(this.#cid, { signal })
        this.lookup = lookup.stats
        for await (const { id, addrs } of lookup) {
          this.providers.add(id)
          onFound([{ id, addrs, seeder: false }])
        }
      } catch (err) {
        if (signal.aborted) return
        // a lookup that fails (nobody to ask yet) is tried again like one that found nobody
        if (!(err instanceof Error)) throw err
      }
      await delay(PAUSES_MS[Math.min(round, PAUSES_MS.length - 1)], undefined, { signal }).catch(() => {})
    }
  }
}
