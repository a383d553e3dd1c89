/**
 * Bounds what strangers can have us remember of a peer. The stock peer store takes as many addresses as a message holds
 * (4 MB in the DHT) and adds those of the next message: one peer could fill the memory with addresses of its own.
 */
import type { Address, Peer, PeerData, PeerStore } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'

/** A machine with several interfaces over IPv4 and IPv6 has about ten. */
export const MAX_PEER_ADDRS = 32
/** As text: the longest host name (253), with port and transports. */
export const MAX_ADDR_CHARS = 384
/** Protocols that a peer says it speaks; a node of ours has six. */
export const MAX_PEER_PROTOCOLS = 128

/** Replaces methods of the store by ones that leave out what is too much. Of addresses the newest stay. */
export function boundPeers(store: PeerStore): void {
  const merge = store.merge.bind(store)
  const patch = store.patch.bind(store)
  const save = store.save.bind(store)
  store.merge = async (id, data, options) => {
    const told = cut(data)
    const peer = await merge(id, told, options)
    if (peer.addresses.length <= MAX_PEER_ADDRS && peer.protocols.length <= MAX_PEER_PROTOCOLS) return peer
    return await patch(id, {
      addresses: newestFirst(peer, told).slice(0, MAX_PEER_ADDRS),
      protocols: peer.protocols.slice(0, MAX_PEER_PROTOCOLS)
    })
  }
  store.patch = async (id, data, options) => await patch(id, cut(data), options)
  store.save = async (id, data, options) => await save(id, cut(data), options)
}

function cut(data: PeerData): PeerData {
  const { multiaddrs, addresses, protocols, ...rest } = data
  return {
    ...rest,
    ...(multiaddrs === undefined ? {} : { multiaddrs: multiaddrs.slice(0, MAX_PEER_ADDRS).filter(isShort) }),
    ...(addresses === undefined
      ? {}
      : { addresses: addresses.slice(0, MAX_PEER_ADDRS).filter(({ multiaddr }) => isShort(multiaddr)) }),
    ...(protocols === undefined ? {} : { protocols: protocols.slice(0, MAX_PEER_PROTOCOLS) })
  }
}

function newestFirst({ addresses }: Peer, { multiaddrs = [] }: PeerData): Address[] {
  const told = new Set(multiaddrs.map(addr => addr.toString()))
  const isNew = ({ multiaddr }: Address) => told.has(multiaddr.toString())
  return [...addresses.filter(isNew), ...addresses.filter(address => !isNew(address))]
}

function isShort(addr: Multiaddr): boolean {
  return addr.toString().length <= MAX_ADDR_CHARS
}
