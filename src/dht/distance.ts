/** Kademlia's metric: the XOR of the SHA-256 of keys, as libp2p's specification has it. */
import { createHash } from 'node:crypto'
import type { PeerId } from '@libp2p/interface'
import { K } from './kad.ts'

/** Where a key lies: a multihash, a CID's or a peer ID's. */
export function kadId(key: Uint8Array): Buffer {
  return createHash('sha256').update(key).digest()
}

/** Kept of those heard of, so that others take the place of nodes that failed. */
const MAX_PEERS = 4 * K

interface Placed {
  readonly peer: PeerId
  readonly id: string
  readonly distance: Buffer
}

/** Peers by their distance from a key, the nearest first. */
export class NearestPeers {
  readonly #target: Buffer
  readonly #placed: Placed[] = []
  readonly #heardOf = new Set<string>()

  constructor(key: Uint8Array) {
    this.#target = kadId(key)
  }

  /** @returns whether it had not been heard of */
  add(peer: PeerId): boolean {
    const id = peer.toString()
    if (this.#heardOf.has(id)) return false
    this.#heardOf.add(id)
    const distance = xor(kadId(peer.toMultihash().bytes), this.#target)
    let at = this.#placed.length
    while (at > 0 && Buffer.compare(this.#placed[at - 1]?.distance ?? distance, distance) > 0) at--
    this.#placed.splice(at, 0, { peer, id, distance })
    if (this.#placed.length > MAX_PEERS) this.#placed.length = MAX_PEERS
    return true
  }

  /** It does not answer: another one takes its place among the nearest. */
  remove(id: string): void {
    const at = this.#placed.findIndex(one => one.id === id)
    if (at >= 0) this.#placed.splice(at, 1)
  }

  /** The k nearest. */
  nearest(): readonly { readonly peer: PeerId; readonly id: string }[] {
    return this.#placed.slice(0, K)
  }
}

/** The k nearest of `peers` to a key. */
export function nearest(key: Uint8Array, peers: Iterable<PeerId>): PeerId[] {
  const near = new NearestPeers(key)
  for (const peer of peers) near.add(peer)
  return near.nearest().map(({ peer }) => peer)
}

function xor(a: Buffer, b: Buffer): Buffer {
  return Buffer.from(a.map((byte, i) => byte ^ (b[i] ?? 0)))
}
