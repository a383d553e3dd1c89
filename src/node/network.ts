/** Everything of a node that needs the network: the host, the DHT, remembered peers, announcements. */
import type { CID } from 'multiformats/cid'
import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/log.ts'
import { TypedEvents } from '../base/typed-events.ts'
import { MINUTE_MS, SECOND_MS } from '../base/units.ts'
import { Reprovider, type ReprovideStore } from '../dht/reprovider.ts'
import type { PeerStream } from '../transfer/io/seams.ts'
import type { PexPeer } from '../transfer/protocol/messages.ts'
import type { Encryption } from './encryption.ts'
import { parseMultiaddr, plainAddrs } from './host/addresses.ts'
import { createHost, type Host } from './host/create-host.ts'
import { HostContacts } from './host/host-contacts.ts'
import { loadIdentity } from './host/identity.ts'
import { PeerBook } from './host/peer-book.ts'
import { ProviderSearch } from './provider-search.ts'
import { version } from './version.ts'

/** A one-shot fetch that runs so long announces itself, as it is then worth finding. */
const CLIENT_ANNOUNCE_MS = MINUTE_MS
/** A one-shot fetch that is complete and still runs after so long is a seeder. */
const SEEDING_AFTER_MS = 2 * SECOND_MS

export interface NetworkInit {
  readonly dataDir: string
  readonly listen?: string[] | undefined
  readonly announce?: string[] | undefined
  /** Multiaddrs named by the user. */
  readonly peers: readonly string[]
  readonly dht: 'server' | 'client'
  readonly encryption?: readonly Encryption[] | undefined
  readonly muxer?: 'lean' | 'stock' | undefined
  readonly schedule: ReprovideStore
  readonly clock: Clock
  readonly log: Logger
  readonly isBanned: (peerId: string) => boolean
  readonly onStream: (stream: PeerStream) => void
}

export interface NetworkEvents {
  announced: { cid: string; nodes: number }
  'peer:connected': { peerId: string }
  'peer:disconnected': { peerId: string }
  /** A connected peer said where it can be dialled. */
  'peer:identified': { peerId: string; addrs: string[] }
}

export class Network {
  readonly clock: Clock
  readonly events = new TypedEvents<NetworkEvents>()
  readonly host: Host
  readonly reprovider: Reprovider
  /** Peers named by the user that could not be reached: address → why. */
  readonly unreachable = new Map<string, string>()
  readonly #book: PeerBook
  readonly #contacts: HostContacts
  readonly #init: NetworkInit
  readonly #addrs = new Map<string, string[]>()
  /** Roots that a client announces once it has become a server. */
  readonly #held = new Map<string, CID>()
  /** Peers that `connect` reached: address → peer ID. */
  readonly #byHand = new Map<string, string>()
  readonly #timers = new Set<NodeJS.Timeout>()

  /**
   * @throws ERR_BAD_MULTIADDR, ERR_PORT_IN_USE, ERR_NO_PERMISSION, ERR_STORE_DAMAGED (the key file)
   */
  static async start(init: NetworkInit): Promise<Network> {
    for (const peer of init.peers) parseMultiaddr(peer)
    const host = await createHost({
      privateKey: await loadIdentity(init.dataDir),
      listen: init.listen,
      announce: init.announce,
      log: init.log,
      dht: { mode: init.dht },
      encryption: init.encryption,
      muxer: init.muxer,
      denied: init.isBanned,
      version
    })
    const network = new Network(init, host)
    try {
      await network.#start()
      return network
    } catch (err) {
      await network.stop()
      throw err
    }
  }

  private constructor(init: NetworkInit, host: Host) {
    this.#init = init
    this.clock = init.clock
    this.host = host
    this.reprovider = new Reprovider({
      routing: host.routing,
      store: init.schedule,
      clock: init.clock,
      log: init.log.scope('reprovider'),
      peerId: host.peerId,
      addrs: () => host.addrs(),
      onAnnounced: (cid, nodes) => this.events.emit('announced', { cid, nodes })
    })
    const log = init.log.scope('peers')
    this.#book = new PeerBook({ dataDir: init.dataDir, log, clock: init.clock })
    this.#contacts = new HostContacts({
      host,
      book: this.#book,
      peers: init.peers,
      log,
      clock: init.clock,
      onUnreachable: (addr, err) => {
        this.unreachable.set(addr, err instanceof Error ? err.message : String(err))
      }
    })
  }

  async #start(): Promise<void> {
    await this.host.dialer.onStream(this.#init.onStream)
    this.host.libp2p.addEventListener('peer:connect', event => {
      this.events.emit('peer:connected', { peerId: event.detail.toString() })
    })
    this.host.libp2p.addEventListener('peer:identify', ({ detail }) => {
      const peerId = detail.peerId.toString()
      const addrs = plainAddrs(detail.signedPeerRecord?.addresses ?? detail.listenAddrs)
      this.#addrs.set(peerId, addrs)
      this.events.emit('peer:identified', { peerId, addrs })
    })
    this.host.libp2p.addEventListener('peer:disconnect', event => {
      this.#addrs.delete(event.detail.toString())
      this.events.emit('peer:disconnected', { peerId: event.detail.toString() })
    })
    await this.#book.load()
    void this.#contacts.start()
    // a client announces nothing of what its data folder holds until it has become a server
    if (this.#init.dht === 'server') await this.reprovider.start({ dormant: true })
  }

  get connectionCount(): number {
    return this.host.libp2p.getConnections().length
  }

  /** Where a connected peer can be dialled, without `/p2p/…`; empty until it has said so. */
  addrsOf(peerId: string): readonly string[] {
    return this.#addrs.get(peerId) ?? []
  }

  /**
   * @param linkPeers multiaddrs of the link
   * @param connected how many peers of the swarm there are now
   */
  searchFor(cid: CID, linkPeers: readonly string[], connected: () => number): ProviderSearch {
    const fromLink = new Map<string, PexPeer>()
    const named = () => [...fromLink.values(), ...this.#namedPeers()]
    const search = new ProviderSearch({ cid, routing: this.host.routing, named, connected })
    for (const text of linkPeers) {
      const { addr, peerId } = parseMultiaddr(text)
      if (peerId !== undefined) {
        const addrs = [...(fromLink.get(peerId)?.addrs ?? []), ...(addr === undefined ? [] : [addr.toString()])]
        fromLink.set(peerId, { id: peerId, addrs, seeder: false })
      }
      // the DHT is reached through them too; who is not there is not waited for
      this.host.dialer.connectTo(text).catch((err: unknown) => {
        search.unreachable.set(text, err instanceof Error ? err.message : String(err))
      })
    }
    return search
  }

  /** Connects. @throws ERR_BAD_MULTIADDR, ERR_UNREACHABLE */
  async connect(addr: string, signal?: AbortSignal): Promise<string> {
    const peerId = await this.host.dialer.connectTo(addr, signal === undefined ? {} : { signal })
    this.#byHand.set(addr, peerId)
    return peerId
  }

  /** Announce now, and again for as long as it is held. */
  announce(cid: CID): void {
    if (this.#isClient) this.#held.set(cid.toString(), cid)
    else this.#background(this.reprovider.add(cid))
  }

  /** Content that was held before this process: announced when its turn comes, or never by a client. */
  resume(cid: CID): void {
    if (!this.#isClient) this.#background(this.reprovider.resume(cid))
  }

  /** A fetch has its manifest: a server announces at once, a client when it has run for a minute. */
  announceFetching(cid: CID): void {
    this.announce(cid)
    if (this.#isClient) this.#later(CLIENT_ANNOUNCE_MS)
  }

  /** All of it is held, and offered for as long as the node runs: a client that lives on becomes a server. */
  announceSeeding(cid: CID): void {
    this.announce(cid)
    if (this.#isClient) this.#later(SEEDING_AFTER_MS)
  }

  /**
   * A fetch is complete. A server keeps it announced from its manifest on, and does not announce it again: the record
   * says who has the content, not how much of it.
   */
  announceFetched(cid: CID): void {
    if (this.#isClient || !this.reprovider.keeps(cid)) this.announceSeeding(cid)
  }

  async withdraw(cid: CID): Promise<void> {
    this.#held.delete(cid.toString())
    await this.reprovider.remove(cid)
  }

  async stop(): Promise<void> {
    for (const timer of this.#timers) clearTimeout(timer)
    await this.reprovider.stop()
    await this.#contacts.stop()
    await this.host.stop()
  }

  get #isClient(): boolean {
    return this.host.routing.mode === 'client'
  }

  /** Peers that the user named are asked directly, whatever the DHT says. */
  #namedPeers(): PexPeer[] {
    const named = new Map([...this.#contacts.reached(), ...this.#byHand])
    return [...named].map(([text, id]) => {
      const { addr } = parseMultiaddr(text)
      return { id, addrs: addr === undefined ? [] : [addr.toString()], seeder: false }
    })
  }

  async #promote(): Promise<void> {
    if (!this.#isClient) return
    await this.host.routing.setMode('server')
    await this.reprovider.start({ dormant: true })
    for (const cid of this.#held.values()) await this.reprovider.add(cid)
    this.#held.clear()
  }

  #later(ms: number): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer)
      this.#background(this.#promote())
    }, ms)
    timer.unref()
    this.#timers.add(timer)
  }

  #background(work: Promise<void>): void {
    work.catch((err: unknown) => {
      this.#init.log.error(`announcing failed: ${err instanceof Error ? err.message : String(err)}`)
    })
  }
}
