/**
 * Where a node keeps what others tell it: provider records and peers. In memory, since records are announced anew
 * anyway; indexed, since the stock store walks through everything at each question; and bounded, since anyone may
 * announce anything.
 */
import { NotFoundError, type PeerId } from '@libp2p/interface'
import { peerIdFromCID, peerIdFromString } from '@libp2p/peer-id'
import { BaseDatastore } from 'datastore-core'
import { Key, type KeyQuery, type Pair, type Query } from 'interface-datastore'
import { CID } from 'multiformats/cid'
import { ShoalError } from '../base/errors.ts'

/** Keys of kad-dht: `/dht/provider/<multihash>/<peer ID>`; of the peer store: `/peers/<peer ID as CID>`. */
const PROVIDERS = '/dht/provider/'
const PEERS = '/peers/'

export interface RecordLimits {
  /** Provider records in all, and of one peer. The one renewed longest ago goes first. */
  records: number
  recordsOfPeer: number
  /**
   * Peers whose addresses are kept. Those without records go first, since anyone may name any number of them; with a
   * peer go its records: kad-dht cannot answer for one it has no entry of.
   */
  peers: number
  /** Whatever else libp2p puts here. */
  others: number
}

/** About 30 MB when full. */
const LIMITS: RecordLimits = { records: 65_536, recordsOfPeer: 16_384, peers: 16_384, others: 1_024 }

/** Prefix, the multihash of a 512-bit hash, and a peer ID, in base32. kad-dht itself takes keys of megabytes. */
const MAX_KEY_CHARS = 256
/** A peer with all its addresses, or whatever else. A provider record is a time. */
const MAX_VALUE_BYTES = 32 * 1024

/** Records handed out of one CID: this node's own, the newest, and others at random, so that each has its turn. */
export const MAX_GIVEN = 64
const NEWEST_GIVEN = MAX_GIVEN / 2

/** Peers without records that are looked at for one that is not needed. */
const MAX_LOOKS = 32

/**
 * Invariant: each map is in the order of the last put; `#byParent` and `#byPeer` name exactly the provider records, by
 * multihash and by provider; `#recordless` names exactly the peers that have none. This node's own records and entry are
 * never dropped.
 */
export class RecordStore extends BaseDatastore {
  readonly #self: string
  readonly #limits: RecordLimits
  readonly #other = new Map<string, Uint8Array>()
  readonly #peers = new Map<string, Uint8Array>()
  readonly #records = new Map<string, Uint8Array>()
  readonly #byParent = new Map<string, Set<string>>()
  readonly #byPeer = new Map<string, Set<string>>()
  /** Names of peers with records, as in `#peers`, whether they are there or not. */
  readonly #providers = new Set<string>()
  readonly #recordless = new Set<string>()
  /** Of the peers without records these are kept while there are others: connected ones, those in the routing table. */
  isNeeded: (peer: PeerId) => boolean = () => false

  /** @param self this node's peer ID */
  constructor(self: string, limits: RecordLimits = LIMITS) {
    super()
    this.#self = self
    this.#limits = limits
  }

  /** @throws ERR_LIMIT for a key or value that no honest node makes: kad-dht then refuses the message */
  override put(key: Key, value: Uint8Array): Key {
    const name = key.toString()
    if (name.length > MAX_KEY_CHARS || value.byteLength > MAX_VALUE_BYTES) {
      throw new ShoalError('ERR_LIMIT', `a DHT record of ${name.length} characters and ${value.byteLength} bytes`)
    }
    const map = this.#mapOf(name)
    // The order of the map is the order of renewal.
    map.delete(name)
    map.set(name, value)
    if (map === this.#peers && !this.#providers.has(name)) moveToEnd(this.#recordless, name)
    if (map === this.#records) this.#index(name)
    else if (map === this.#peers && map.size > this.#limits.peers) this.#dropOldestPeer()
    else if (map === this.#other && map.size > this.#limits.others) this.#dropOldestOther()
    return key
  }

  override get(key: Key): Uint8Array {
    const name = key.toString()
    const value = this.#mapOf(name).get(name)
    if (value === undefined) throw new NotFoundError('not found')
    return value
  }

  override has(key: Key): boolean {
    const name = key.toString()
    return this.#mapOf(name).has(name)
  }

  override delete(key: Key): void {
    const name = key.toString()
    if (name.startsWith(PROVIDERS)) this.#dropRecord(name)
    else if (name.startsWith(PEERS)) this.#dropPeer(name)
    else this.#other.delete(name)
  }

  override *_all(query: Query): Generator<Pair> {
    for (const [name, value] of this.#select(query.prefix)) yield { key: new Key(name, false), value }
  }

  override *_allKeys(query: KeyQuery): Generator<Key> {
    for (const [name] of this.#select(query.prefix)) yield new Key(name, false)
  }

  *#select(prefix = '/'): Generator<[string, Uint8Array]> {
    if (prefix.startsWith(PROVIDERS)) {
      for (const name of this.#given(prefix)) {
        const value = this.#records.get(name)
        if (value !== undefined) yield [name, value]
      }
      return
    }
    // kad-dht asks for '/dht/provider' when it looks for what has expired.
    const maps = PEERS.startsWith(prefix) || prefix.startsWith(PEERS) ? [this.#peers] : []
    if (PROVIDERS.startsWith(prefix)) maps.push(this.#records)
    for (const map of [...maps, this.#other]) yield* map
  }

  /** Of a popular root thousands are kept: all of them in each answer would have its holders busy with nothing else. */
  #given(parent: string): string[] {
    const names = [...(this.#byParent.get(parent) ?? [])]
    if (names.length <= MAX_GIVEN) return names
    const own = `${parent}/${this.#self}`
    const given = new Set(names.includes(own) ? [own] : [])
    for (const name of names.splice(-NEWEST_GIVEN)) given.add(name)
    while (given.size < MAX_GIVEN) {
      const [name] = names.splice(Math.floor(Math.random() * names.length), 1)
      if (name !== undefined) given.add(name)
    }
    return [...given]
  }

  #mapOf(name: string): Map<string, Uint8Array> {
    if (name.startsWith(PROVIDERS)) return this.#records
    return name.startsWith(PEERS) ? this.#peers : this.#other
  }

  #index(name: string): void {
    const { parent, peer } = split(name)
    add(this.#byParent, parent, name)
    const own = add(this.#byPeer, peer, name)
    if (own.size === 1) {
      const entry = entryOf(peer)
      this.#providers.add(entry)
      this.#recordless.delete(entry)
    }
    if (peer === this.#self) return
    if (own.size > this.#limits.recordsOfPeer) {
      const [oldest] = own
      if (oldest !== undefined) this.#dropRecord(oldest)
    }
    if (this.#records.size > this.#limits.records) {
      for (const oldest of this.#records.keys()) {
        if (split(oldest).peer === this.#self) continue
        this.#dropRecord(oldest)
        break
      }
    }
  }

  #dropRecord(name: string): void {
    this.#records.delete(name)
    const { parent, peer } = split(name)
    remove(this.#byParent, parent, name)
    remove(this.#byPeer, peer, name)
    if (this.#byPeer.has(peer)) return
    const entry = entryOf(peer)
    this.#providers.delete(entry)
    if (this.#peers.has(entry)) this.#recordless.add(entry)
  }

  #dropPeer(name: string): void {
    this.#peers.delete(name)
    this.#recordless.delete(name)
  }

  #dropOldestOther(): void {
    for (const name of this.#other.keys()) {
      this.#other.delete(name)
      return
    }
  }

  #dropOldestPeer(): void {
    const recordless = this.#unneeded()
    if (recordless !== undefined) {
      this.#dropPeer(recordless)
      return
    }
    for (const name of this.#peers.keys()) {
      const peer = peerOf(name).toString()
      if (peer === this.#self) continue
      for (const record of [...(this.#byPeer.get(peer) ?? [])]) this.#dropRecord(record)
      this.#dropPeer(name)
      return
    }
  }

  /** Of the peers without records the oldest that is not needed, or of so many that are, the oldest. */
  #unneeded(): string | undefined {
    let oldest: string | undefined
    let looks = 0
    for (const name of this.#recordless) {
      if (++looks > MAX_LOOKS) break
      const peer = peerOf(name)
      if (peer.toString() !== this.#self) {
        if (!this.isNeeded(peer)) return name
        oldest ??= name
      }
      // looked at again when the others were
      moveToEnd(this.#recordless, name)
    }
    return oldest
  }
}

const peerOf = (name: string): PeerId => peerIdFromCID(CID.parse(name.slice(PEERS.length)))

/** The name of its entry in the peer store. */
function entryOf(peer: string): string {
  try {
    return PEERS + peerIdFromString(peer).toCID().toString()
  } catch {
    return PEERS + peer
  }
}

function split(name: string): { parent: string; peer: string } {
  const at = name.lastIndexOf('/')
  return { parent: name.slice(0, at), peer: name.slice(at + 1) }
}

/** Moves `name` to the end of the set under `key`. */
function add(index: Map<string, Set<string>>, key: string, name: string): Set<string> {
  const set = index.get(key) ?? new Set()
  index.set(key, set)
  moveToEnd(set, name)
  return set
}

function moveToEnd(set: Set<string>, name: string): void {
  set.delete(name)
  set.add(name)
}

function remove(index: Map<string, Set<string>>, key: string, name: string): void {
  const set = index.get(key)
  set?.delete(name)
  if (set?.size === 0) index.delete(key)
}
