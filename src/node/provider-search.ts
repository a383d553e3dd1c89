/** Where a swarm's peers come from: the link, peers named by hand, and the DHT, asked again until the search ends. */
import { setTimeout as delay } from 'node:timers/promises'
import type { CID } from 'multiformats/cid'
import { SECOND_MS } from '../base/units.ts'
import type { ContentRouting } from '../dht/content-routing.ts'
import type { PeerSource } from '../transfer/io/seams.ts'
import type { PexPeer } from '../transfer/protocol/messages.ts'

/** Pauses between lookups: soon at first, as a young network still learns who is there. */
const PAUSES_MS = [1, 2, 3, 5, 10, 15].map(s => s * SECOND_MS)
/** With so many peers of the swarm connected, peer exchange tells of the others, and the DHT is asked rarely. */
const ENOUGH_PEERS = 4
const ENOUGH_PAUSE_MS = 60 * SECOND_MS

/** Of those named so many are counted: a search may go on for days, and names are free. */
export const MAX_COUNTED = 4_096

export interface LookupFacts {
  asked: number
  answered: number
  failed: number
}

export interface ProviderSearchInit {
  readonly cid: CID
  readonly routing: Pick<ContentRouting, 'findProviders'>
  /** Peers that are worth asking directly, looked at anew before every lookup. */
  readonly named: () => readonly PexPeer[]
  /** Peers of the swarm that are connected now. */
  readonly connected: () => number
  /** Resolves after `ms`, or early when the signal fires; never rejects. Tests have a time of their own. */
  readonly wait?: (ms: number, signal: AbortSignal) => Promise<void>
}

const realWait = (ms: number, signal: AbortSignal) => delay(ms, undefined, { signal }).catch(() => {})

export class ProviderSearch implements PeerSource {
  /** Of the last finished or running lookup. */
  lookup: Readonly<LookupFacts> = { asked: 0, answered: 0, failed: 0 }
  /** Peers of the link that could not be reached: address → why. */
  readonly unreachable = new Map<string, string>()
  /** Peer IDs that were said to have it, the first {@link MAX_COUNTED}. */
  readonly providers = new Set<string>()
  readonly #cid: CID
  readonly #routing: Pick<ContentRouting, 'findProviders'>
  readonly #named: () => readonly PexPeer[]
  readonly #connected: () => number
  readonly #wait: (ms: number, signal: AbortSignal) => Promise<void>

  constructor({ cid, routing, named, connected, wait = realWait }: ProviderSearchInit) {
    this.#cid = cid
    this.#routing = routing
    this.#named = named
    this.#connected = connected
    this.#wait = wait
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
          if (this.providers.size < MAX_COUNTED) this.providers.add(id)
          onFound([{ id, addrs, seeder: false }])
        }
      } catch (err) {
        if (signal.aborted) return
        // a lookup that fails (nobody to ask yet) is tried again like one that found nobody
        if (!(err instanceof Error)) throw err
      }
      await this.#pause(PAUSES_MS[Math.min(round, PAUSES_MS.length - 1)] ?? 0, signal)
    }
  }

  /** Goes on for as long as there are peers enough, within limits: once they are gone, the DHT is asked within a second. */
  async #pause(leastMs: number, signal: AbortSignal): Promise<void> {
    for (let waitedMs = 0; waitedMs < ENOUGH_PAUSE_MS && !signal.aborted; ) {
      if (waitedMs >= leastMs && this.#connected() < ENOUGH_PEERS) return
      const stepMs = waitedMs < leastMs ? leastMs : SECOND_MS
      await this.#wait(stepMs, signal)
      waitedMs += stepMs
    }
  }
}
