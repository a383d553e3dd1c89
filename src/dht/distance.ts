/** Kademlia's metric: the XOR of the SHA-256 of keys, as libp2p's specification has it. */
import { createHash } from 'node:crypto'
import type { PeerId } from '@libp2p/interface'
import { K } from './kad.ts'

/** Where a key lies: a multihash, a CID's or a peer ID's. */
export function kadId(key: Uint8Array): Buffer {
  return createHash('sha256').update(key).digest()
}

/** Peers by their distance from a key, the nearest first; the k nearest are kept. */
export class NearestPeers {
  readonly #target: Buffer
  readonly #peers: { peer: PeerId; distance: Buffer }[] = []

  constructor(key: Uint8Array) {
    this.#target = kadId(key)
  }

  add(peer: PeerId): void {
    const distance = xor(kadId(peer.toMultihash().bytes), this.#target)
    let at = this.#peers.length
    while (at > 0 && Buffer.compare(this.#peers[at - 1]?.distance ?? distance, distance) > 0) at--
    if (at < K) this.#peers.splice(at, 0, { peer, distance })
    this.#peers.length = Math.min(this.#peers.length, K)
  }

  [Symbol.iterator](): Iterator<PeerId> {
    return this.#peers.map(({ peer }) => peer)[Symbol.iterator]()
  }
}

export function nearest(key: Uint8Array, peers: Iterable<PeerId>): PeerId[] {
  const near = new NearestPeers(key)
  for (const peer of peers) near.add(peer)
  return [...near]
}

function xor(a: Buffer, b: Buffer): Buffer {
  return Buffer.from(a.map((byte, i) => byte ^ (b[i] ?? 0)))
}
