/**
 * The rest of a lookup. Kademlia ends one when the k nearest nodes that were heard of have all been asked; kad-dht
 * follows an answer only to nodes nearer than who gave it, so a newcomer whose one contact is itself the nearest, and
 * came after the announcement, asks nobody else. Whoever was named and not asked is asked here.
 */
import { createHash } from 'node:crypto'
import type { PeerId } from '@libp2p/interface'
import type { QueryEvent } from '@libp2p/kad-dht'
import type { CID } from 'multiformats/cid'
import { K, type KadDHT } from './kad.ts'

/** GET_PROVIDERS of the Kademlia specification of libp2p. */
const GET_PROVIDERS = 'GET_PROVIDERS'
/** Asked at once. */
const CONCURRENCY = 10

interface NetworkView {
  sendRequest(
    to: PeerId,
    message: { type: string; key: Uint8Array },
    options: { signal: AbortSignal; path: { index: number; queued: number; running: number; total: number } }
  ): AsyncIterable<QueryEvent>
}

/** Asks nodes who provides a CID; the events are those of a lookup. */
export type AskNodes = (cid: CID, nodes: readonly PeerId[], signal: AbortSignal) => AsyncIterable<QueryEvent>

/** The nearest to the CID, at most k. */
export function nearest(cid: CID, peers: Iterable<PeerId>): PeerId[] {
  const target = sha256(cid.multihash.bytes)
  return [...peers]
    .map(peer => ({ peer, distance: xor(sha256(peer.toMultihash().bytes), target) }))
    .sort((a, b) => Buffer.compare(a.distance, b.distance))
    .slice(0, K)
    .map(({ peer }) => peer)
}

export function askNodes(dht: KadDHT): AskNodes {
  const { network } = dht as unknown as { network: NetworkView }
  return async function* (cid, nodes, signal) {
    const message = { type: GET_PROVIDERS, key: cid.multihash.bytes }
    for (let from = 0; from < nodes.length && !signal.aborted; from += CONCURRENCY) {
      const turn = nodes.slice(from, from + CONCURRENCY)
      const path = { index: -1, queued: nodes.length - from, running: turn.length, total: nodes.length }
      const answers = await Promise.all(turn.map(node => collect(network.sendRequest(node, message, { signal, path }))))
      yield* answers.flat()
    }
  }
}

async function collect(events: AsyncIterable<QueryEvent>): Promise<QueryEvent[]> {
  const all: QueryEvent[] = []
  for await (const event of events) all.push(event)
  return all
}

function sha256(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest()
}

function xor(a: Buffer, b: Buffer): Buffer {
  return Buffer.from(a.map((byte, i) => byte ^ (b[i] ?? 0)))
}
