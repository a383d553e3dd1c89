/** Announces and finds who holds content. Records name the root's multihash; see docs/finding.md. */
import { setTimeout as delay } from 'node:timers/promises'
import type {
  Connection,
  Libp2pEvents,
  PeerId,
  PeerInfo,
  PeerRouting,
  PeerStore,
  TypedEventTarget
} from '@libp2p/interface'
import type { QueryEvent } from '@libp2p/kad-dht'
import { peerIdFromString } from '@libp2p/peer-id'
import { CODE_P2P, type Multiaddr } from '@multiformats/multiaddr'
import type { CID } from 'multiformats/cid'
import { combineSignals, linkSignals, withLinked } from '../base/abort-signals.ts'
import { abortError } from '../base/errors.ts'
import { RecentMap } from '../base/recent-map.ts'
import { AddressLookups, type Looked } from './address-lookups.ts'
import { AskedNodes } from './asked-nodes.ts'
import { K, type KadDHT, ownRecords, type RoutingTableView, routingTable, writeOwnRecord } from './kad.ts'
import type { Pace } from './pace.ts'
import { RecordHolders } from './record-holders.ts'
import { contactsOf } from './sure-contacts.ts'
import { TableKeeper } from './table-keeper.ts'
import { ToldAddresses } from './told-addresses.ts'
import { walk } from './walk.ts'

/** A lookup on a node that knows nobody yet waits so long for a first peer, so that `get --peer` needs no luck. */
const FIRST_PEER_WAIT_MS = 3_000
/** For one provider whose record came without addresses, and for all of them once the walk has ended. */
const FIND_PEER_TIMEOUT_MS = 6_000
/** A whole lookup or announcement. */
const LOOKUP_TIMEOUT_MS = 30_000
const PROVIDE_TIMEOUT_MS = 60_000
/** Providers of whom a lookup remembers where they were said to be: names are free. */
const MAX_TOLD_OF = 1_000

export interface FoundProvider {
  /** Peer ID. */
  id: string
  /** Multiaddrs without `/p2p/…`; empty when nobody knows any. */
  addrs: string[]
}

/** DHT nodes of one lookup: how many were asked, gave an answer, gave none. */
export interface LookupStats {
  asked: number
  answered: number
  failed: number
  providers: number
}

/** Iterate once. `stats` can be read at any time, and is final when the iteration has ended. */
export interface ProviderLookup extends AsyncIterable<FoundProvider> {
  readonly stats: Readonly<LookupStats>
}

export interface ContentRoutingInit {
  dht: KadDHT
  self: PeerId
  peerStore: PeerStore
  peerRouting: PeerRouting
  events: TypedEventTarget<Libp2pEvents>
  isConnected: (peer: PeerId) => boolean
  /** Connected peers that have given no sign of life for some time. Default: none is known. */
  silentPeers?: () => readonly PeerId[]
  protocol?: string
  /** Default {@link USUAL_PACE}. */
  pace?: Pace
}

export class ContentRouting {
  readonly #dht: KadDHT
  readonly #table: RoutingTableView
  readonly #self: PeerId
  readonly #peerStore: PeerStore
  readonly #peerRouting: PeerRouting
  readonly #keeper: TableKeeper
  readonly #holders: RecordHolders
  readonly #events: ContentRoutingInit['events']
  readonly #onDisconnect = (event: CustomEvent<PeerId>): void => this.#holders.left(event.detail)
  /** Who is connected dials only when it knows of no connection: the one that is here may be of an earlier process. */
  readonly #onOpen = ({ detail }: CustomEvent<Connection>): void => {
    if (detail.direction === 'inbound') this.#holders.left(detail.remotePeer)
  }
  readonly #isConnected: (peer: PeerId) => boolean
  readonly #asked: AskedNodes
  readonly #stopped = new AbortController()

  constructor(init: ContentRoutingInit) {
    this.#dht = init.dht
    this.#table = routingTable(init.dht)
    this.#self = init.self
    this.#peerStore = init.peerStore
    this.#peerRouting = init.peerRouting
    this.#keeper = new TableKeeper(init)
    this.#events = init.events
    this.#isConnected = init.isConnected
    this.#asked = new AskedNodes(init)
    const { doubted } = contactsOf(init.dht)
    this.#holders = new RecordHolders({
      answers: peer => init.isConnected(peer) && !doubted.has(peer.toString()),
      tableSize: () => this.#table.size
    })
  }

  start(): void {
    this.#keeper.start()
    this.#events.addEventListener('peer:disconnect', this.#onDisconnect)
    this.#events.addEventListener('connection:open', this.#onOpen)
  }

  /** Ends every lookup and announcement that is under way. */
  async stop(): Promise<void> {
    this.#stopped.abort()
    this.#events.removeEventListener('peer:disconnect', this.#onDisconnect)
    this.#events.removeEventListener('connection:open', this.#onOpen)
    await this.#keeper.stop()
  }

  /** DHT servers in the routing table. */
  get tableSize(): number {
    return this.#table.size
  }

  get mode(): 'server' | 'client' {
    return this.#dht.getMode()
  }

  /** A client that turns out to stay becomes a server: it answers queries from now on. */
  async setMode(mode: 'server' | 'client'): Promise<void> {
    await this.#dht.setMode(mode)
  }

  /**
   * Resolves when the routing table has a peer.
   * @throws ERR_ABORTED
   */
  ready(options: { signal?: AbortSignal | undefined } = {}): Promise<void> {
    if (this.#table.size > 0) return Promise.resolve()
    const { signal, clear } = linkSignals(this.#stopped.signal, options.signal)
    return new Promise((resolve, reject) => {
      const end = () => {
        clear()
        this.#table.removeEventListener('peer:add', onAdd)
        signal.removeEventListener('abort', onAbort)
      }
      const onAdd = () => {
        end()
        resolve()
      }
      const onAbort = () => {
        end()
        reject(abortError(signal))
      }
      this.#table.addEventListener('peer:add', onAdd)
      signal.addEventListener('abort', onAbort, { once: true })
      if (signal.aborted) onAbort()
    })
  }

  /**
   * From now on this node names itself when it is asked who has `cid`: who knows this node finds the content, before
   * and without any announcement. Records do not outlive the process, so call it again for what is held at a start.
   */
  async hold(cid: CID): Promise<void> {
    await writeOwnRecord(this.#dht, cid, this.#self)
  }

  /**
   * Announces that this node holds `cid`, after {@link hold}. Waits until the node knows a DHT peer. The record lies with `nodes` other
   * nodes then, those nearest to the CID; 0 means that none of them could be reached, and it should be tried again.
   * @throws ERR_ABORTED
   */
  async provide(cid: CID, options: { signal?: AbortSignal } = {}): Promise<{ nodes: number }> {
    await this.hold(cid)
    await this.ready(options)
    const { signal: caller, clear } = linkSignals(this.#stopped.signal, options.signal)
    const signal = combineSignals(caller, AbortSignal.timeout(PROVIDE_TIMEOUT_MS))
    const nodes = new Map<string, PeerId>()
    const number = this.#holders.begin()
    try {
      for await (const event of this.#dht.provide(cid, { signal })) {
        if (event.name === 'PEER_RESPONSE' && event.messageName === 'ADD_PROVIDER')
          nodes.set(event.from.toString(), event.from)
        if (event.name === 'QUERY_ERROR' && !signal.aborted) this.#keeper.failed(event.from, event.error)
      }
    } catch (err) {
      if (caller.aborted) throw abortError(caller)
      // Some nodes may hold it even though the walk was cut short; what they took is what counts.
      if (!signal.aborted && nodes.size === 0) throw err
    } finally {
      clear()
    }
    if (nodes.size > 0) this.#holders.set(cid.toString(), [...nodes.values()], number)
    return { nodes: nodes.size }
  }

  /** Too few of the nodes that took this node's record are left: see record-holders.ts. */
  isThin(cid: CID): boolean {
    return this.#holders.isThin(cid.toString())
  }

  /** The network has grown to twice what it was when this node announced it. */
  isOutgrown(cid: CID): boolean {
    return this.#holders.isOutgrown(cid.toString())
  }

  /**
   * Forgets our own record, so that this node no longer names itself. Others keep theirs until they expire; who comes
   * is told by the swarm protocol that the content is not here.
   */
  async withdraw(cid: CID): Promise<void> {
    this.#holders.forget(cid.toString())
    await this.#dht.cancelReprovide(cid)
  }

  /**
   * Providers of `cid` as they are found, without this node; one is named again when others tell of more addresses. Ends
   * when every node near the CID was asked, after 30 s, or when no DHT peer appears within 3 s; ends early without an
   * error when `signal` fires.
   */
  findProviders(cid: CID, options: { signal?: AbortSignal } = {}): ProviderLookup {
    const stats: LookupStats = { asked: 0, answered: 0, failed: 0, providers: 0 }
    return { stats, [Symbol.asyncIterator]: () => this.#lookup(cid, stats, options.signal) }
  }

  async *#lookup(cid: CID, stats: LookupStats, caller: AbortSignal | undefined): AsyncGenerator<FoundProvider> {
    const stop = new AbortController()
    const { signal: ending, clear } = linkSignals(this.#stopped.signal, caller, stop.signal)
    const signal = combineSignals(ending, AbortSignal.timeout(LOOKUP_TIMEOUT_MS))
    const asked = new Set<string>()
    const answered = new Map<string, PeerId>()
    const named = new Set<string>([this.#self.toString()])
    const given = new Set(named)
    const told = new RecentMap<string, ToldAddresses>(MAX_TOLD_OF)
    const lookups = new AddressLookups(peer => this.#findAddrs(peer, signal))
    const give = (id: string, addrs: string[]): FoundProvider => {
      given.add(id)
      return { id, addrs }
    }
    try {
      await this.ready({ signal: combineSignals(signal, AbortSignal.timeout(FIRST_PEER_WAIT_MS)) })
    } catch {
      clear()
      return
    }
    const ended = this.#asked.begin(cid)
    const events = this.#walk(cid, () => given.size > 1, signal)
    try {
      for (let next = events.next(); ; ) {
        const turn = await Promise.race([next, ...lookups.running])
        if ('id' in turn) {
          lookups.ended(turn.id)
          if (!given.has(turn.id)) yield give(turn.id, turn.addrs)
          continue
        }
        if (turn.done === true) break
        const event = turn.value
        switch (event.name) {
          case 'DIAL_PEER':
            asked.add(event.peer.toString())
            break
          case 'PEER_RESPONSE':
            if (!event.from.equals(this.#self)) answered.set(event.from.toString(), event.from)
            break
          case 'QUERY_ERROR':
            if (!signal.aborted) this.#keeper.failed(event.from, event.error)
            break
        }
        for (const provider of providersIn(event)) {
          const id = provider.id.toString()
          if (id === this.#self.toString()) continue
          const isNew = !named.has(id)
          named.add(id)
          stats.providers = named.size - 1
          const addrs = await this.#knownAddrs(provider.id, provider.multiaddrs)
          if (addrs.length > 0) {
            lookups.drop(id)
            const ofPeer = told.get(id) ?? new ToldAddresses()
            told.set(id, ofPeer)
            const best = ofPeer.add(addrs)
            if (best !== undefined) yield give(id, best)
          } else if (isNew) lookups.add(provider.id)
        }
        stats.asked = asked.size
        stats.answered = answered.size
        next = events.next()
      }
      if (!signal.aborted && stats.providers < K) this.#asked.remember(cid, answered.values())
      ended()
      const late = delay(FIND_PEER_TIMEOUT_MS, undefined, { signal, ref: false }).catch(() => undefined)
      while (lookups.running.length > 0) {
        const turn = await Promise.race<Looked | undefined>([late, ...lookups.running])
        if (turn === undefined) break
        lookups.ended(turn.id)
        if (!given.has(turn.id)) yield give(turn.id, turn.addrs)
      }
      for (const id of lookups.stop()) if (!ending.aborted && !given.has(id)) yield give(id, [])
    } catch (err) {
      if (!signal.aborted) throw err
    } finally {
      ended()
      stop.abort()
      clear()
      await events.return(undefined)
      stats.asked = asked.size
      stats.answered = answered.size
      stats.failed = asked.size - answered.size
    }
  }

  /** What others told this node before, and what those near the CID answer. */
  async *#walk(cid: CID, isFound: () => boolean, signal: AbortSignal): AsyncGenerator<QueryEvent> {
    const ids = await ownRecords(this.#dht, cid)
    if (ids.length > 0) {
      const providers = ids.map(id => ({ id, multiaddrs: [] }))
      yield {
        name: 'PROVIDER',
        type: 4,
        from: this.#self,
        providers,
        path: { index: -1, queued: 0, running: 0, total: 0 }
      }
    }
    yield* walk(this.#dht, {
      key: cid.multihash.bytes,
      question: 'GET_PROVIDERS',
      self: this.#self,
      isConnected: this.#isConnected,
      isLeisurely: isFound,
      signal
    })
  }

  async #knownAddrs(id: PeerId, fromRecord: Multiaddr[]): Promise<string[]> {
    if (fromRecord.length > 0) return plain(fromRecord)
    const known = await this.#peerStore.get(id).catch(() => undefined)
    return known === undefined ? [] : plain(known.addresses.map(({ multiaddr }) => multiaddr))
  }

  /** Never rejects. */
  async #findAddrs(id: PeerId, signal: AbortSignal): Promise<string[]> {
    const limit = combineSignals(signal, AbortSignal.timeout(FIND_PEER_TIMEOUT_MS))
    const peer = await this.#peerRouting.findPeer(id, { signal: limit, useCache: false }).catch(() => undefined)
    return peer === undefined ? [] : plain(peer.multiaddrs)
  }

  /** Addresses of a peer by its ID, from what is known here or from the DHT; empty when nobody knows. */
  async findPeer(id: string, options: { signal?: AbortSignal } = {}): Promise<string[]> {
    const peer = peerIdFromString(id)
    return await withLinked([this.#stopped.signal, options.signal], async signal => {
      const known = await this.#knownAddrs(peer, [])
      return known.length > 0 ? known : await this.#findAddrs(peer, signal)
    })
  }
}

/** Named by kad-dht's own walk, or in the answer to our question; each once, as it is named first: one answer, one vote. */
function providersIn(event: QueryEvent): Iterable<PeerInfo> {
  if (event.name !== 'PROVIDER' && event.name !== 'PEER_RESPONSE') return []
  const first = new Map<string, PeerInfo>()
  for (const provider of event.providers) {
    const id = provider.id.toString()
    if (!first.has(id)) first.set(id, provider)
  }
  return first.values()
}

function plain(addrs: readonly Multiaddr[]): string[] {
  return [...new Set(addrs.map(addr => addr.decapsulateCode(CODE_P2P).toString()))]
}
