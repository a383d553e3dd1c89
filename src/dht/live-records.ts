/**
 * Which provider records are given out: those that have not expired, of peers that something is known of. kad-dht's answer
 * fails as a whole, its stream reset, when one provider has no entry in the peer store, as one that expired first has not.
 */
import type { AbortOptions, PeerId, PeerStore } from '@libp2p/interface'
import type { KadDHT } from '@libp2p/kad-dht'
import type { CID } from 'multiformats/cid'
import { type Clock, systemClock } from '../base/clock.ts'

interface Providers {
  addProvider(cid: CID, peer: PeerId, options?: AbortOptions & { time?: Date }): Promise<void>
  getProviders(cid: CID, options?: AbortOptions): Promise<PeerId[]>
  /** When each record was written. */
  loadProviders(cid: CID, options?: AbortOptions): Promise<Iterable<[PeerId, Date]>>
}

interface Inner {
  providers?: Providers
  /** Each hour it deletes what was written longer ago than this by the wall clock. */
  reprovider?: { validity: number }
}

export interface LiveRecordsInit {
  /** This node, whose own record is given out for as long as it is there. */
  readonly self: PeerId
  readonly peerStore: Pick<PeerStore, 'get'>
  readonly validityMs: number
  readonly clock?: Clock
}

/**
 * Records are dated by a monotonic clock: one that was written before the wall clock was set back would be given out for
 * as long as that is, and all would be deleted when it leaps ahead.
 */
export function giveLiveRecords(dht: KadDHT, init: LiveRecordsInit): void {
  const { self, peerStore, validityMs, clock = systemClock } = init
  const { providers, reprovider } = dht as unknown as Inner
  if (providers === undefined) return
  const startMs = clock.wallMs() - clock.now()
  const nowMs = () => startMs + clock.now()
  if (reprovider !== undefined) {
    Object.defineProperty(reprovider, 'validity', { get: () => validityMs + clock.wallMs() - nowMs() })
  }
  const addProvider = providers.addProvider.bind(providers)
  providers.addProvider = (cid, peer, options) => addProvider(cid, peer, { time: new Date(nowMs()), ...options })
  const isKnown = (peer: PeerId) =>
    peerStore.get(peer).then(
      () => true,
      () => false
    )
  providers.getProviders = async (cid, options) => {
    const records = [...(await providers.loadProviders(cid, options))]
    const isLive = await Promise.all(
      records.map(async ([peer, written]) =>
        peer.equals(self) ? true : nowMs() - written.getTime() < validityMs && (await isKnown(peer))
      )
    )
    return records.filter((_, at) => isLive[at]).map(([peer]) => peer)
  }
}
