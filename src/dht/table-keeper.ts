/**
 * Keeps the routing table full and honest. kad-dht looks for its neighbours once when the first peer appears and then
 * every five minutes, and it never drops a peer that fails a query; young networks stay in splinters that way, and
 * dead peers cost every lookup a timeout. So: whenever the table grew, look again soon; what fails to answer, is gone
 * once its connection is, or does not speak the protocol leaves the table, and comes back when it connects.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { Libp2pEvents, Peer, PeerId, PeerStore, PeerUpdate, TypedEventTarget } from '@libp2p/interface'
import { linkSignals } from '../base/abort-signals.ts'
import { DepartedPeers } from './departed-peers.ts'
import { DoubtfulPeers } from './doubtful-peers.ts'
import { KAD_PROTOCOL, type KadDHT, type RoutingTableView, routingTable } from './kad.ts'
import { type Pace, USUAL_PACE } from './pace.ts'
import { LOOK_EVERY_MS, SilentPeers } from './silent-peers.ts'
import { contactsOf } from './sure-contacts.ts'
import { walk } from './walk.ts'

/**
 * The first look after the table grew; each further one within QUIET_MS waits longer, up to MAX_GAP_MS. A look asks up to
 * twenty nodes, and a newcomer has just looked (kad-dht's own first query): a moment later others have come too.
 */
const FIRST_GAP_MS = 1_000
const GAP_FACTOR = 3
const MAX_GAP_MS = 60_000
const QUIET_MS = 300_000
const WALK_TIMEOUT_MS = 15_000
/**
 * The nearest are asked first. Once so many in a row named nobody who had not been heard of, the neighbourhood agrees
 * about itself: the others would say the same. In a network of 17 nodes a walk asks five of them instead of all.
 */
const AGREEING_ANSWERS = 4

export interface TableKeeperInit {
  dht: KadDHT
  self: PeerId
  peerStore: PeerStore
  events: TypedEventTarget<Libp2pEvents>
  isConnected: (peer: PeerId) => boolean
  /** Connected peers that have given no sign of life for some time. Default: none is known. */
  silentPeers?: () => readonly PeerId[]
  protocol?: string
  /** Default {@link USUAL_PACE}. Walks keep their own. */
  pace?: Pace
}

export class TableKeeper {
  readonly #dht: KadDHT
  readonly #table: RoutingTableView
  readonly #self: PeerId
  readonly #peerStore: PeerStore
  readonly #events: TypedEventTarget<Libp2pEvents>
  readonly #isConnected: (peer: PeerId) => boolean
  readonly #protocol: string
  readonly #stopped = new AbortController()
  readonly #doubtful: DoubtfulPeers
  readonly #departed: DepartedPeers
  readonly #silent: SilentPeers
  #timer: NodeJS.Timeout | undefined
  #gapMs = FIRST_GAP_MS
  #lastGrowthMs = 0
  #walking: Promise<void> | undefined
  /** The table grew since the last walk began. */
  #isDue = false

  constructor(init: TableKeeperInit) {
    this.#dht = init.dht
    this.#table = routingTable(init.dht)
    this.#self = init.self
    this.#peerStore = init.peerStore
    this.#events = init.events
    this.#isConnected = init.isConnected
    const { pauses } = init.pace ?? USUAL_PACE
    const wait = (ms: number, signal: AbortSignal) => delay(ms * pauses, undefined, { signal, ref: false })
    const parts = { table: this.#table, contacts: contactsOf(init.dht), isConnected: init.isConnected, wait }
    this.#doubtful = new DoubtfulPeers(parts)
    this.#departed = new DepartedPeers(parts)
    this.#silent = new SilentPeers({
      silent: init.silentPeers ?? (() => []),
      lookEveryMs: LOOK_EVERY_MS * pauses,
      onSilent: peer => void this.#doubtIfKnown(peer).catch(() => {})
    })
    this.#protocol = init.protocol ?? KAD_PROTOCOL
  }

  start(): void {
    this.#table.addEventListener('peer:add', this.#onAdd)
    this.#events.addEventListener('peer:update', this.#onUpdate)
    this.#events.addEventListener('peer:disconnect', this.#onDisconnect)
    this.#silent.start()
  }

  async stop(): Promise<void> {
    this.#table.removeEventListener('peer:add', this.#onAdd)
    this.#events.removeEventListener('peer:update', this.#onUpdate)
    this.#events.removeEventListener('peer:disconnect', this.#onDisconnect)
    clearTimeout(this.#timer)
    this.#silent.stop()
    this.#stopped.abort()
    await Promise.all([this.#walking, this.#doubtful.stop(), this.#departed.stop()])
  }

  /**
   * A query to this peer failed. One that is still connected may only have been slow: it is pinged; but if its
   * connection ends now, that was why it did not answer.
   */
  failed(peer: PeerId, err: Error): void {
    if (err.name === 'UnsupportedProtocolError' || !this.#isConnected(peer)) this.#drop(peer)
    else this.#doubtful.doubt(peer)
  }

  readonly #onDisconnect = (event: CustomEvent<PeerId>): void => {
    if (this.#doubtful.disconnected(event.detail)) this.#drop(event.detail)
    else this.#departed.left(event.detail)
  }

  async #doubtIfKnown(peer: PeerId): Promise<void> {
    const known = await this.#table.find(peer)
    if (known !== undefined && this.#isConnected(peer) && !this.#stopped.signal.aborted) this.#doubtful.doubt(peer)
  }

  #drop(peer: PeerId): void {
    void this.#table.remove(peer).catch(() => {})
  }

  readonly #onAdd = (event: CustomEvent<PeerId>): void => {
    void this.#dropNonServer(event.detail).catch(() => {})
    const now = performance.now()
    if (now - this.#lastGrowthMs > QUIET_MS) this.#gapMs = FIRST_GAP_MS
    this.#lastGrowthMs = now
    this.#isDue = true
    this.#schedule()
  }

  /** One walk at a time: on a machine under load it lasts longer than the gap, and walks would pile up. */
  #schedule(): void {
    if (!this.#isDue || this.#timer !== undefined || this.#walking !== undefined) return
    if (this.#stopped.signal.aborted) return
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      this.#isDue = false
      this.#walking = this.#walk().finally(() => {
        this.#walking = undefined
        this.#schedule()
      })
    }, this.#gapMs)
    this.#gapMs = Math.min(this.#gapMs * GAP_FACTOR, MAX_GAP_MS)
  }

  /** Providers named in answers are put in the table as soon as they could be dialled, DHT servers or not. */
  async #dropNonServer(peer: PeerId): Promise<void> {
    if (this.#isNoServer(await this.#peerStore.get(peer))) await this.#table.remove(peer)
  }

  /** Known for sure only once the peer was identified, which is when its agent is known: streams add single protocols. */
  #isNoServer({ metadata, protocols }: Peer): boolean {
    return metadata.has('AgentVersion') && !protocols.includes(this.#protocol)
  }

  readonly #onUpdate = (event: CustomEvent<PeerUpdate>): void => {
    const { peer } = event.detail
    if (this.#isNoServer(peer)) this.#drop(peer.id)
  }

  async #walk(): Promise<void> {
    const { signal, clear } = linkSignals(this.#stopped.signal, AbortSignal.timeout(WALK_TIMEOUT_MS))
    try {
      const heardOf = new Set([this.#self.toString()])
      let agreeing = 0
      const key = this.#self.toMultihash().bytes
      const parts = { self: this.#self, isConnected: this.#isConnected, isLeisurely: () => true }
      for await (const event of walk(this.#dht, { ...parts, key, question: 'FIND_NODE', signal })) {
        if (event.name === 'QUERY_ERROR' && !signal.aborted) this.failed(event.from, event.error)
        if (event.name !== 'PEER_RESPONSE') continue
        heardOf.add(event.from.toString())
        const before = heardOf.size
        for (const { id } of event.closer) heardOf.add(id.toString())
        agreeing = heardOf.size === before ? agreeing + 1 : 0
        if (agreeing === AGREEING_ANSWERS) break
      }
    } catch {
      // Cut short by the timeout or the stop; the next growth looks again.
    } finally {
      clear()
    }
  }
}
