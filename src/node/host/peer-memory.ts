/**
 * Answers what is asked of the peer store again, and drops what it is told again. libp2p asks it for up to twenty peers
 * at each question of the DHT, and tells it at each stream that the peer speaks the stream's protocol; the stock store
 * takes a lock, decodes and parses each time, and for a write encodes too. In a swarm of 16 a leecher that fetched
 * 64 MiB made 1,300 reads and 600 writes in its first seconds; nearly all told nothing new.
 */
import type { Peer, PeerData, PeerId, PeerStore } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import { RecentMap } from '../../base/recent-map.ts'

/** Peers kept decoded; the one asked for longest ago goes first. About 3 KB each. */
const MAX_PEERS = 1_024
/** Tags expire in the store; they may live on here for so long. */
const KEEP_MS = 60_000
/** A peer that was not written for so long is written again: the record store drops the one written longest ago. */
const RENEW_MS = 10 * 60_000

interface Entry {
  readonly peer: Peer
  readonly atMs: number
}

export interface PeerMemoryInit {
  readonly store: PeerStore
  /** This node. */
  readonly self: PeerId
  /** Wall-clock time, as the store's own. */
  readonly nowMs?: () => number
}

/** Invariant: a peer in `#entries` is as the store has it, or had it before it expired; none with a write under way. */
export class PeerMemory {
  readonly #self: string
  readonly #nowMs: () => number
  readonly #entries = new RecentMap<string, Entry>(MAX_PEERS)
  /** How many are under way. */
  readonly #writes = new Map<string, number>()
  /** The last read of each peer under way; one that a write overtook is not kept. */
  readonly #reads = new Map<string, symbol>()

  /** Replaces methods of the store by ones that remember. */
  constructor({ store, self, nowMs = () => Date.now() }: PeerMemoryInit) {
    this.#self = self.toString()
    this.#nowMs = nowMs
    const get = store.get.bind(store)
    const merge = store.merge.bind(store)
    const patch = store.patch.bind(store)
    const save = store.save.bind(store)
    const forget = store.delete.bind(store)
    store.get = async (id, options) => {
      const known = this.#known(id.toString())
      return known === undefined ? await this.#read(id, () => get(id, options)) : copyOf(known)
    }
    store.getInfo = async (id, options) => {
      const known = this.#known(id.toString()) ?? (await store.get(id, options))
      return { id: known.id, multiaddrs: known.addresses.map(({ multiaddr }) => multiaddr) }
    }
    store.merge = async (id, data, options) => {
      const known = this.#known(id.toString())
      if (known !== undefined && this.#isRecent(known) && saysNothingNew(known, data)) return copyOf(known)
      return await this.#write(id, () => merge(id, data, options), itself)
    }
    store.patch = async (id, data, options) => await this.#write(id, () => patch(id, data, options), itself)
    store.save = async (id, data, options) => await this.#write(id, () => save(id, data, options), itself)
    store.delete = async (id, options) => await this.#write(id, () => forget(id, options), nobody)
  }

  #known(id: string): Peer | undefined {
    const entry = this.#entries.get(id)
    if (entry === undefined) return undefined
    this.#entries.delete(id)
    const age = this.#nowMs() - entry.atMs
    if (age < 0 || age >= KEEP_MS) return undefined
    this.#entries.set(id, entry)
    return entry.peer
  }

  /** The stock store notes when it wrote a peer last; without that note every write goes through. */
  #isRecent(peer: Peer & { updated?: unknown }): boolean {
    return typeof peer.updated === 'number' && Math.abs(this.#nowMs() - peer.updated) < RENEW_MS
  }

  async #read(peerId: PeerId, read: () => Promise<Peer>): Promise<Peer> {
    const id = peerId.toString()
    const token = Symbol()
    this.#reads.set(id, token)
    try {
      const peer = await read()
      if (this.#reads.get(id) === token && !this.#writes.has(id)) this.#keep(id, peer)
      return peer
    } finally {
      if (this.#reads.get(id) === token) this.#reads.delete(id)
    }
  }

  async #write<T>(peerId: PeerId, write: () => Promise<T>, peerOf: (written: T) => Peer | undefined): Promise<T> {
    const id = peerId.toString()
    this.#entries.delete(id)
    this.#reads.delete(id)
    this.#writes.set(id, (this.#writes.get(id) ?? 0) + 1)
    let peer: Peer | undefined
    try {
      const written = await write()
      peer = peerOf(written)
      return written
    } finally {
      const others = (this.#writes.get(id) ?? 1) - 1
      if (others > 0) this.#writes.set(id, others)
      else {
        this.#writes.delete(id)
        // The store's answer to a write leaves out this node's own addresses when they are old; that to a read does not.
        if (peer !== undefined && id !== this.#self) this.#keep(id, peer)
      }
    }
  }

  #keep(id: string, peer: Peer): void {
    this.#entries.set(id, { peer: copyOf(peer), atMs: this.#nowMs() })
  }
}

const itself = (peer: Peer): Peer => peer
const nobody = (): undefined => undefined

/** Whoever gets a peer may change its lists; the store's own code does. */
function copyOf(peer: Peer): Peer {
  return {
    ...peer,
    addresses: peer.addresses.map(address => ({ ...address })),
    protocols: [...peer.protocols],
    metadata: new Map(peer.metadata),
    tags: new Map(peer.tags)
  }
}

/** True only for protocols and addresses: the store keeps both as they are when they are merged again. */
function saysNothingNew(peer: Peer, { protocols = [], multiaddrs = [], addresses = [], ...rest }: PeerData): boolean {
  const isKnown = (addr: Multiaddr, mustBeSure: boolean) => {
    const text = addr.toString()
    return peer.addresses.some(one => one.multiaddr.toString() === text && (one.isCertified || !mustBeSure))
  }
  return (
    Object.keys(rest).length === 0 &&
    protocols.every(protocol => peer.protocols.includes(protocol)) &&
    multiaddrs.every(addr => isKnown(addr, false)) &&
    addresses.every(({ multiaddr, isCertified }) => isKnown(multiaddr, isCertified))
  )
}
