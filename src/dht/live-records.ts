/**
 * Which provider records are given out: those that have not expired, of peers that something is known of. kad-dht's answer
 * fails as a whole, its stream reset, when one provider has no entry in the peer store, as one that expired first has not.
 */
import type { AbortOptions, PeerId, PeerStore } from '@libp2p/interface'
import type { KadDHT } from '@libp2p/kad-dht'
import type { CID } from 'multiformats/cid'

interface Providers {
  getProviders(cid: CID, options?: AbortOptions): Promise<PeerId[]>
  /** When each record was written. */
  loadProviders(cid: CID, options?: AbortOptions): Promise<Iterable<[PeerId, Date]>>
}

export interface LiveRecordsInit {
  /** This node, whose own record is given out for as long as it is there. */
  readonly self: PeerId
  readonly peerStore: Pick<PeerStore, 'get'>
  readonly validityMs: number
}

export function giveLiveRecords(dht: KadDHT, { self, peerStore, validityMs }: LiveRecordsInit): void {
  const { providers } = dht as unknown as { providers?: Providers }
  if (providers === undefined) return
  const isKnown = (peer: PeerId) =>
    peerStore.get(peer).then(
      () => true,
      () => false
    )
  providers.getProviders = async (cid, options) => {
    const records = [...(await providers.loadProviders(cid, options))]
    const isLive = await Promise.all(
      records.map(async ([peer, written]) =>
        peer.equals(self) ? true : Date.now() - written.getTime() < validityMs && (await isKnown(peer))
      )
    )
    return records.filter((_, at) => isLive[at]).map(([peer]) => peer)
  }
}
