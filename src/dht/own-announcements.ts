/**
 * What a peer announces of itself it says over its own connection: not to be confused with what others say of it, which
 * kad-dht hands to the peer store in the same form. It goes there as `addresses`; see peer-bounds.ts.
 */
import type { PeerData, PeerId, PeerStore } from '@libp2p/interface'
import type { KadDHT } from '@libp2p/kad-dht'

interface RpcView {
  rpc?: { handlers?: { ADD_PROVIDER?: { peerStore: Pick<PeerStore, 'merge'> } } }
}

export function markOwnAnnouncements(dht: KadDHT, store: Pick<PeerStore, 'merge'>): void {
  const handler = (dht as unknown as RpcView).rpc?.handlers?.ADD_PROVIDER
  if (handler === undefined) return
  const merge = async (id: PeerId, { multiaddrs = [], ...rest }: PeerData) => {
    const addresses = multiaddrs.map(multiaddr => ({ multiaddr, isCertified: true }))
    return await store.merge(id, { ...rest, addresses })
  }
  handler.peerStore = { merge: merge as PeerStore['merge'] }
}
