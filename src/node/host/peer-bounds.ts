/**
 * Bounds what strangers can have us remember of a peer. The stock peer store takes as many addresses as a message holds
 * (4 MB in the DHT) and adds those of the next message: one peer could fill the memory with addresses of its own.
 */
import type { Address, Peer, PeerData, PeerId, PeerStore } from '@libp2p/interface'
import { CODE_P2P, type Multiaddr } from '@multiformats/multiaddr'
import { systemClock } from '../../base/clock.ts'
import { AddressAges } from './address-ages.ts'
import { linkAddrs } from './addresses.ts'

/** A machine with several interfaces over IPv4 and IPv6 has about ten. */
export const MAX_PEER_ADDRS = 32
/** As text: the longest host name (253), with port and transports. */
export const MAX_ADDR_CHARS = 384
/** Of an address without a host name: IPv6 with port and peer ID has 111. Answers of the DHT are full of them. */
export const MAX_IP_ADDR_CHARS = 112
/** Protocols that a peer says it speaks; a node of ours has six. */
export const MAX_PEER_PROTOCOLS = 128

export interface PeerBounds {
  /** Whoever is connected has said itself where it is. Default: nobody is. */
  readonly isConnected?: (peer: PeerId) => boolean
  /** Where a connected peer was dialled. Default: nowhere. */
  readonly reachedAt?: (peer: PeerId) => readonly Multiaddr[]
  /** Where this node is now: its own entry, once there is one, is read with these. Default: as it was written. */
  readonly own?: { readonly id: PeerId; readonly addrs: () => readonly Multiaddr[] }
  /** An address of which nobody told for so long, while its peer was not connected, is forgotten. Default: none is. */
  readonly maxAgeMs?: number
  /** Monotonic. */
  readonly nowMs?: () => number
}

/**
 * Replaces methods of the store by ones that leave out what is too much, and that tell rumours from what is sure. Sure is
 * what a peer said itself (to identify, in its announcement) and where it was reached: such addresses are stored as
 * certified, stay until it says others, and are given out first. A rumour is a merge of `multiaddrs` and nothing else, as
 * an answer of the DHT makes it: of a connected peer it is dropped; of others rumours have what room is left, the newest
 * first.
 */
export function boundPeers(
  store: PeerStore,
  {
    isConnected = () => false,
    reachedAt = () => [],
    own,
    maxAgeMs = Infinity,
    nowMs = systemClock.now
  }: PeerBounds = {}
): void {
  const ages = new AddressAges(maxAgeMs, nowMs)
  const fresh = (id: PeerId, addresses: Address[], told?: ReadonlySet<string>): Address[] => {
    if (!isConnected(id)) return ages.fresh(id.toString(), addresses, told)
    ages.forget(id.toString())
    return addresses
  }
  const get = store.get.bind(store)
  const getInfo = store.getInfo.bind(store)
  const merge = store.merge.bind(store)
  const patch = store.patch.bind(store)
  const save = store.save.bind(store)
  store.get = async (id, options) => {
    const peer = await get(id, options)
    if (own?.id.equals(id) !== true) return sureFirst({ ...peer, addresses: fresh(id, peer.addresses) })
    return { ...peer, addresses: own.addrs().map(addr => ({ multiaddr: withoutPeer(addr, id), isCertified: true })) }
  }
  // asked for up to twenty peers at each question of the DHT, most of them connected
  store.getInfo = async (id, options) => {
    if (isConnected(id)) return await getInfo(id, options)
    const { addresses } = await store.get(id, options)
    return { id, multiaddrs: addresses.map(({ multiaddr }) => multiaddr) }
  }
  store.merge = async (id, data, options) => {
    const isRumour = Object.keys(data).every(key => key === 'multiaddrs')
    if (isRumour && isConnected(id)) return await merge(id, {}, options)
    const told = isRumour ? cut(id, data) : sure(cut(id, data))
    const peer = await merge(id, told, options)
    // the store keeps an address that it knew as a rumour as one
    const certified = new Set(told.addresses?.map(({ multiaddr }) => multiaddr.toString()))
    const isUnsure = ({ multiaddr, isCertified }: Address) => !isCertified && certified.has(multiaddr.toString())
    const current = toldIn(told)
    const isCurrent = saidItself(data) ? isOneOf(id, current, reachedAt(id)) : () => true
    const left = fresh(id, peer.addresses, current).filter(one => !one.isCertified || isCurrent(one))
    const isWithin = left.length <= MAX_PEER_ADDRS && peer.protocols.length <= MAX_PEER_PROTOCOLS
    if (isWithin && left.length === peer.addresses.length && !left.some(isUnsure)) return peer
    const addresses = left.map(one => (isUnsure(one) ? { ...one, isCertified: true } : one))
    return await patch(id, {
      addresses: byWorth(addresses, told).slice(0, MAX_PEER_ADDRS),
      protocols: peer.protocols.slice(0, MAX_PEER_PROTOCOLS)
    })
  }
  store.patch = async (id, data, options) => {
    if (data.addresses !== undefined) ages.forget(id.toString())
    return await patch(id, cut(id, certify(withReached(data, reachedAt(id).map(bareOf(id))))), options)
  }
  store.save = async (id, data, options) => {
    ages.forget(id.toString())
    return await save(id, cut(id, certify(data)), options)
  }
}

/** `addresses` come from the peer itself: identify marks only those that are signed besides. */
function certify({ addresses, ...rest }: PeerData): PeerData {
  if (addresses === undefined) return rest
  return { ...rest, addresses: addresses.map(({ multiaddr }) => ({ multiaddr, isCertified: true })) }
}

/** With other facts come addresses that a dial has proven. */
function sure({ multiaddrs = [], addresses = [], ...rest }: PeerData): PeerData {
  const proven = multiaddrs.map(multiaddr => ({ multiaddr, isCertified: true }))
  return proven.length + addresses.length === 0 ? rest : certify({ ...rest, addresses: [...addresses, ...proven] })
}

/**
 * What a peer says of itself replaces what was known, but not where it was reached: behind a router whose port is
 * forwarded it does not know that address. One of this machine alone counts where it says no other.
 */
function withReached({ addresses, ...rest }: PeerData, reached: readonly Multiaddr[]): PeerData {
  if (addresses === undefined) return rest
  const said = addresses.map(({ multiaddr }) => multiaddr)
  const known = new Set(said.map(addr => addr.toString()))
  const more = reached.filter(addr => !known.has(addr.toString()) && linkAddrs([addr, ...said]).includes(addr))
  return { ...rest, addresses: [...more.map(multiaddr => ({ multiaddr, isCertified: true })), ...addresses] }
}

const bareOf = (id: PeerId) => (addr: Multiaddr) => withoutPeer(addr, id)

/**
 * The signed record goes too: identify believes none that is older than the one kept, by the clock of the peer, so that
 * one whose clock was set back is looked for at its old addresses for as long as that is. Each comes over the peer's own
 * connection, and the last one counts.
 */
function cut(id: PeerId, data: PeerData): PeerData {
  const { multiaddrs, addresses, protocols, peerRecordEnvelope: _, ...rest } = data
  const bare = bareOf(id)
  return {
    ...rest,
    ...(multiaddrs && { multiaddrs: multiaddrs.slice(0, MAX_PEER_ADDRS).map(bare).filter(isShort) }),
    ...(addresses && {
      addresses: addresses
        .slice(0, MAX_PEER_ADDRS)
        .map(address => ({ ...address, multiaddr: bare(address.multiaddr) }))
        .filter(({ multiaddr }) => isShort(multiaddr))
    }),
    ...(protocols && { protocols: protocols.slice(0, MAX_PEER_PROTOCOLS) })
  }
}

/** The store leaves it out too, but only when it has compared the address with those that it knows. */
function withoutPeer(addr: Multiaddr, id: PeerId): Multiaddr {
  const last = addr.getComponents().at(-1)
  return last?.code === CODE_P2P && last.value === id.toString() ? addr.decapsulateCode(CODE_P2P) : addr
}

/** Its announcement names all that it has; see own-announcements.ts. */
const saidItself = ({ addresses }: PeerData) => addresses !== undefined

function isOneOf(id: PeerId, said: ReadonlySet<string>, reached: readonly Multiaddr[]): (one: Address) => boolean {
  const all = new Set([...said, ...reached.map(addr => bareOf(id)(addr).toString())])
  return ({ multiaddr }) => all.has(multiaddr.toString())
}

function toldIn({ multiaddrs = [], addresses = [] }: PeerData): ReadonlySet<string> {
  return new Set([...multiaddrs, ...addresses.map(({ multiaddr }) => multiaddr)].map(addr => addr.toString()))
}

/** Sure ones, newly told before others, and then rumours likewise. */
function byWorth(addresses: readonly Address[], data: PeerData): Address[] {
  const told = toldIn(data)
  const rank = ({ multiaddr, isCertified }: Address) => (isCertified ? 0 : 2) + (told.has(multiaddr.toString()) ? 0 : 1)
  return [0, 1, 2, 3].flatMap(worth => addresses.filter(address => rank(address) === worth))
}

/** A lookup's answer is dialled from its beginning, and no further than so many. */
function sureFirst(peer: Peer): Peer {
  const sure = peer.addresses.filter(({ isCertified }) => isCertified)
  if (sure.length === 0 || sure.length === peer.addresses.length) return peer
  return { ...peer, addresses: [...sure, ...peer.addresses.filter(({ isCertified }) => !isCertified)] }
}

function isShort(addr: Multiaddr): boolean {
  const text = addr.toString()
  return text.length <= (text.startsWith('/dns') ? MAX_ADDR_CHARS : MAX_IP_ADDR_CHARS)
}
