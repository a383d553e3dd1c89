/**
 * Answers of the DHT name the same peers over and over: twenty in each, a lookup asks twenty nodes. kad-dht treats every
 * mention as a discovery: an update of the routing table under timers and signals of its own, which pings the peer, or
 * ends at once where it is in the table already, and a rewrite of the peer's entry in the peer store. In a swarm of 16 a
 * leecher made some 2,900 rewrites while it fetched 64 MiB. So a mention that tells nothing new is dropped, and one of this
 * node itself, which it would dial for its own table.
 */
import type { PeerId, PeerInfo } from '@libp2p/interface'
import { RecentMap } from '../base/recent-map.ts'
import { type KadDHT, routingTable } from './kad.ts'

/** A mention of a peer in the routing table refreshes its entry in the peer store at least so often. */
const REFRESH_MS = 10 * 60_000
/** One that is not in the table may have become reachable: so soon it is tried again. It was pinged for up to 6 s. */
const RETRY_MS = 5_000
/** Mentions remembered of peers that are not in the table; the one remembered longest goes first. */
const MAX_STRANGERS = 1_024
/** Addresses remembered of a mention, and characters of each: an answer may name thousands, of any length. */
const MAX_ADDRS = 32
const MAX_ADDR_CHARS = 384

interface Mention {
  addrs: ReadonlySet<string>
  atMs: number
}

interface NetworkView {
  safeDispatchEvent(type: string, init?: { detail?: PeerInfo }): boolean
}

interface TableView {
  queueRoutingTableUpdate?(peer: PeerId, options?: object): void
}

/** Invariant: whoever is in `last` is in the routing table, so it is bounded by that, and nobody of it in `strangers`. */
export function dropKnownPeers(dht: KadDHT, self: PeerId, nowMs: () => number = () => performance.now()): KadDHT {
  const { network } = dht as unknown as { network: NetworkView }
  const last = new Map<string, Mention | undefined>()
  const strangers = new RecentMap<string, Mention>(MAX_STRANGERS)
  const table = routingTable(dht)
  table.addEventListener('peer:add', ({ detail }) => {
    const id = detail.toString()
    last.set(id, strangers.get(id))
    strangers.delete(id)
  })
  table.addEventListener('peer:remove', ({ detail }) => last.delete(detail.toString()))
  const dispatch = network.safeDispatchEvent.bind(network)
  network.safeDispatchEvent = (type, init) => {
    const peer = init?.detail
    if (type !== 'peer' || peer === undefined) return dispatch(type, init)
    if (peer.id.equals(self)) return true
    const id = peer.id.toString()
    // Lists name an address once or twice and in any order.
    const addrs = new Set(peer.multiaddrs.slice(0, MAX_ADDRS).map(addr => addr.toString().slice(0, MAX_ADDR_CHARS)))
    const mention = last.get(id) ?? strangers.get(id)
    const repeatMs = last.has(id) ? REFRESH_MS : RETRY_MS
    if (mention !== undefined && isWithin(addrs, mention.addrs) && nowMs() - mention.atMs < repeatMs) return true
    const remembered = last.has(id) ? last : strangers
    remembered.set(id, { addrs, atMs: nowMs() })
    return dispatch(type, init)
  }
  skipUpdates(table as TableView, id => last.has(id.toString()) || id.equals(self))
  return dht
}

const isWithin = (some: ReadonlySet<string>, all: ReadonlySet<string>): boolean => [...some].every(one => all.has(one))

/** Every answer updates the table too, which changes nothing for a peer that is in it. */
function skipUpdates(table: TableView, isThere: (peer: PeerId) => boolean): void {
  const update = table.queueRoutingTableUpdate?.bind(table)
  if (update === undefined) return
  table.queueRoutingTableUpdate = (peer, options) => {
    if (!isThere(peer)) update(peer, options)
  }
}
