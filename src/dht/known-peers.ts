/**
 * Answers of the DHT name the same peers over and over: twenty in each, a lookup asks twenty nodes. kad-dht treats every
 * mention as a discovery: an update of the routing table under timers and signals of its own, which ends at once where
 * the peer is in it, and a rewrite of the peer's entry in the peer store. In a swarm of 16 a leecher made some 2,900
 * rewrites while it fetched 64 MiB. So a mention that tells nothing new is dropped.
 */
import type { PeerInfo } from '@libp2p/interface'
import { type KadDHT, routingTable } from './kad.ts'

/** A mention refreshes the age of the addresses in the peer store (48 h) at least so often. */
const REFRESH_MS = 10 * 60_000

interface Mention {
  addrs: string
  atMs: number
}

interface NetworkView {
  safeDispatchEvent(type: string, init?: { detail?: PeerInfo }): boolean
}

/** Invariant: whoever is in `last` is in the routing table, so it is bounded by that. */
export function dropKnownPeers(dht: KadDHT, nowMs: () => number = () => performance.now()): KadDHT {
  const { network } = dht as unknown as { network: NetworkView }
  const last = new Map<string, Mention | undefined>()
  const table = routingTable(dht)
  table.addEventListener('peer:add', ({ detail }) => last.set(detail.toString(), undefined))
  table.addEventListener('peer:remove', ({ detail }) => last.delete(detail.toString()))
  const dispatch = network.safeDispatchEvent.bind(network)
  network.safeDispatchEvent = (type, init) => {
    const peer = init?.detail
    if (type !== 'peer' || peer === undefined) return dispatch(type, init)
    const id = peer.id.toString()
    if (!last.has(id)) return dispatch(type, init)
    const addrs = peer.multiaddrs.join()
    const mention = last.get(id)
    if (mention?.addrs === addrs && nowMs() - mention.atMs < REFRESH_MS) return true
    last.set(id, { addrs, atMs: nowMs() })
    return dispatch(type, init)
  }
  return dht
}
