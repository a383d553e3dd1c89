/**
 * The rest of a lookup. Kademlia ends one when the k nearest nodes that were heard of have all been asked; kad-dht
 * follows an answer only to nodes nearer than who gave it, so a newcomer whose one contact is itself the nearest, and
 * came after the announcement, asks nobody else. Whoever was named and not asked is asked here.
 */
import type { PeerId } from '@libp2p/interface'
import type { QueryEvent } from '@libp2p/kad-dht'
import type { CID } from 'multiformats/cid'
import { type KadDHT, requestOf } from './kad.ts'

/** GET_PROVIDERS of the Kademlia specification of libp2p. */
const GET_PROVIDERS = 'GET_PROVIDERS' as const
/** Asked at once. */
const CONCURRENCY = 10

/** Asks nodes who provides a CID; the events are those of a lookup. */
export type AskNodes = (cid: CID, nodes: readonly PeerId[], signal: AbortSignal) => AsyncIterable<QueryEvent>

export function askNodes(dht: KadDHT): AskNodes {
  const request = requestOf(dht)
  return async function* (cid, nodes, signal) {
    const message = { type: GET_PROVIDERS, key: cid.multihash.bytes } as const
    for (let from = 0; from < nodes.length && !signal.aborted; from += CONCURRENCY) {
      const turn = nodes.slice(from, from + CONCURRENCY)
      const path = { index: -1, queued: nodes.length - from, running: turn.length, total: nodes.length }
      const answers = await Promise.all(turn.map(node => collect(request(node, message, { signal, path }))))
      yield* answers.flat()
    }
  }
}

async function collect(events: AsyncIterable<QueryEvent>): Promise<QueryEvent[]> {
  const all: QueryEvent[] = []
  for await (const event of events) all.push(event)
  return all
}
