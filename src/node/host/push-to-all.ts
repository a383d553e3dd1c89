/**
 * Whoever is connected is told when the addresses or protocols of this node change. libp2p ends that at the first peer of
 * whom it knows nothing: one that connected and never said who it is kept all who came after it from being told.
 */
import type { AbortOptions, Peer, PeerId, PeerStore } from '@libp2p/interface'

interface Inner {
  services: { identifyPush: { components: { peerStore: PeerStore } } }
}

export function pushToAll(libp2p: object): void {
  const { identifyPush } = (libp2p as Inner).services
  const { components } = identifyPush
  const { peerStore } = components
  const get = (id: PeerId, options?: AbortOptions) => peerStore.get(id, options).catch(() => unknownPeer(id))
  const merge: PeerStore['merge'] = (id, data, options) => peerStore.merge(id, data, options)
  const patch: PeerStore['patch'] = (id, data, options) => peerStore.patch(id, data, options)
  // the components are shared with the other services
  identifyPush.components = Object.create(components, { peerStore: { value: { get, merge, patch } } })
}

/** It speaks nothing, as far as is known, and so is told nothing. */
const unknownPeer = (id: PeerId): Peer => ({
  id,
  addresses: [],
  protocols: [],
  metadata: new Map(),
  tags: new Map()
})
