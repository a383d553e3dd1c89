/**
 * A node's look at its neighbourhood: it asks the nodes nearest to itself for those that they know there. kad-dht's own
 * walk splits them into disjoint paths and asks nine at once, so a network of twenty is asked whole before the first
 * answers say that there is nothing new.
 */
import type { PeerId } from '@libp2p/interface'
import type { QueryEvent } from '@libp2p/kad-dht'
import { kadId, NearestPeers } from './distance.ts'
import { K, type KadDHT, requestOf, routingTable } from './kad.ts'

/** Kademlia's alpha. */
const CONCURRENCY = 3
/**
 * The nearest are asked first. Once so many in a row named nobody who had not been heard of, the neighbourhood agrees
 * about itself: the others would say the same.
 */
const AGREEING_ANSWERS = 4

interface LookInit {
  readonly self: PeerId
  readonly signal: AbortSignal
  readonly onEvent: (event: QueryEvent) => void
}

/** Resolves when the k nearest were asked, or agree, or the signal fires. */
export async function lookAround(dht: KadDHT, { self, signal, onEvent }: LookInit): Promise<void> {
  const request = requestOf(dht)
  const key = self.toMultihash().bytes
  const near = new NearestPeers(key)
  const heardOf = new Set([self.toString()])
  const asked = new Set<string>()
  let agreeing = 0
  /** @returns whether it is news */
  const hear = (peer: PeerId): boolean => {
    const id = peer.toString()
    if (heardOf.has(id)) return false
    heardOf.add(id)
    near.add(peer)
    return true
  }
  for (const peer of routingTable(dht).closestPeers(kadId(key), { count: K })) hear(peer)
  const next = (): PeerId | undefined => {
    if (signal.aborted || agreeing >= AGREEING_ANSWERS) return undefined
    for (const peer of near) if (!asked.has(peer.toString())) return peer
    return undefined
  }
  const askOn = async () => {
    for (let peer = next(); peer !== undefined; peer = next()) {
      asked.add(peer.toString())
      const path = { index: -1, queued: 0, running: CONCURRENCY, total: asked.size }
      for await (const event of request(peer, { type: 'FIND_NODE', key }, { signal, path })) {
        onEvent(event)
        if (event.name !== 'PEER_RESPONSE') continue
        const news = event.closer.map(({ id }) => hear(id))
        agreeing = news.includes(true) ? 0 : agreeing + 1
      }
    }
  }
  await Promise.all(Array.from({ length: CONCURRENCY }, askOn))
}
