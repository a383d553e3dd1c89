/**
 * The libp2p node under shoal: TCP, TLS or noise, yamux, identify, ping and the DHT. Nothing here dials anyone by itself:
 * no bootstrap list, no relay, no port probing, no multicast. Import it dynamically; it is most of the start-up time.
 */
import '../../base/polyfill.ts'
import { yamux } from '@chainsafe/libp2p-yamux'
import { type Identify, type IdentifyPush, identify, identifyPush } from '@libp2p/identify'
import type { Libp2p, MessageStream, PeerId, PrivateKey } from '@libp2p/interface'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { type Ping, ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { CODE_P2P, type Multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { combineSignals } from '../../base/abort-signals.ts'
import { systemClock } from '../../base/clock.ts'
import { ShoalError } from '../../base/errors.ts'
import { type MadeFor, requireMethods } from '../../base/inner-parts.ts'
import type { Logger } from '../../base/log.ts'
import { ContentRouting } from '../../dht/content-routing.ts'
import { KAD_PROTOCOL, type KadDHT, type KadOptions, kad, RECORD_VALIDITY_MS, tableMembers } from '../../dht/kad.ts'
import { USUAL_PACE } from '../../dht/pace.ts'
import { RecordStore } from '../../dht/record-store.ts'
import { DEFAULT_ENCRYPTION, type Encryption } from '../encryption.ts'
import { boundStreams } from '../transport/bound-streams.ts'
import { afterFirstBytes, boundFirstBytes, boundPlainBytes, plainConnectionOf } from '../transport/first-bytes.ts'
import { noise } from '../transport/noise/noise.ts'
import { nativeTls } from '../transport/tls/native-tls.ts'
import { Unnegotiated } from '../transport/unnegotiated.ts'
import { leanYamux } from '../transport/yamux/yamux.ts'
import { KEEP_ALIVE_MS } from '../transport/yamux/yamux-init.ts'
import { announcedAddrs, dnsName, isTcpAddr, MAX_DIALLED_ADDRS, parseAnnounceAddr } from './addresses.ts'
import { makeRoom } from './connection-room.ts'
import { DialGuard } from './dial-guard.ts'
import { guardDials } from './guarded-transport.ts'
import { InboundRate } from './inbound-rate.ts'
import { trustInterfaces } from './interface-addresses.ts'
import { checkListen, chooseDefaultListen, fromListenFailure } from './listen.ts'
import { boundPeers } from './peer-bounds.ts'
import { PeerMemory } from './peer-memory.ts'
import { MAX_PENDING, PendingInbound } from './pending-inbound.ts'
import { pushToAll } from './push-to-all.ts'
import { libraryLog } from './quiet-log.ts'
import { SILENT_MS, silentPeers } from './silent-connections.ts'
import { type DialQueueView, staggerDials } from './staggered-dials.ts'
import { SwarmDialer } from './swarm-dialer.ts'

/**
 * Below libp2p's read buffer (4 MiB) of a stream: a window that may grow past it resets the stream when a reader
 * falls behind. Large enough for 1 Gbit/s at 30 ms.
 */
const STREAM_WINDOW_BYTES = 4 * 1024 * 1024 - 64 * 1024

/** 1 Gbit/s at 130 ms. What nobody takes is not granted anew, so this is also the most that waits unread. */
const LEAN_WINDOW_BYTES = 16 * 1024 * 1024
const STREAM_LIMITS = { maxInboundStreams: 4_096, maxOutboundStreams: 4_096, maxEarlyStreams: 256 }

/** A machine under load takes seconds for a handshake; see also CONNECT_TIMEOUT_MS of the dialer. */
const DIAL_TIMEOUT_MS = 16_000
const ADDRESS_DIAL_TIMEOUT_MS = 8_000
/** So long a connection that came in may take to say who it is, and a stream to say what it is for. */
const HANDSHAKE_TIMEOUT_MS = 10_000
const DEFAULT_MAX_CONNECTIONS = 600
/** To look at all interfaces takes as long as an answer of the DHT. */
const OWN_ADDRS_MS = 1_000
/** At stop, what is queued has so long to go out. */
const CLOSE_TIMEOUT_MS = 300

// Liveness is the swarm's to judge; yamux pings every 30 s keep these timers from firing on a live peer.
const makeTcp = tcp({ inboundSocketInactivityTimeout: 300_000, outboundSocketInactivityTimeout: 300_000 })

/** Those that libp2p reads. The swarm reads its own frames. */
const LENGTH_PREFIXED: ReadonlySet<string> = new Set([KAD_PROTOCOL, '/ipfs/id/1.0.0', '/ipfs/id/push/1.0.0'])

const ENCRYPTERS = { tls: nativeTls, noise } as const satisfies Record<Encryption, unknown>

export const LIBP2P: MadeFor = { name: 'libp2p', version: '3.3.11' }
/** Replaced or called here, beyond its published type. */
const INNER_METHODS = [
  'components.addressManager._updatePeerStoreAddresses',
  'components.addressManager.getAddressesWithMetadata',
  'components.connectionManager.dialQueue.calculateMultiaddrs',
  'components.connectionManager.dialQueue.components.peerStore.merge',
  'components.connectionManager.dialQueue.components.transportManager.dial',
  'components.connectionManager.dialQueue.dialPeer',
  'services.identifyPush.components.peerStore.get'
]

export interface HostOptions {
  privateKey: PrivateKey
  /** Multiaddrs; each must be had. Absent: see chooseDefaultListen. Empty: dial only. */
  listen?: string[] | undefined
  /** Multiaddrs that lead here besides, told to others ahead of those of the machine. Default: none. */
  announce?: readonly string[] | undefined
  log: Logger
  /** Default ours; `stock` is @chainsafe/libp2p-yamux. On the wire they are the same. */
  muxer?: 'lean' | 'stock' | undefined
  /** What connections are encrypted with; the order of who dials decides. Default: see DEFAULT_ENCRYPTION. */
  encryption?: readonly Encryption[] | undefined
  /** Default 600. */
  maxConnections?: number
  /** Of what comes in. Default: HANDSHAKE_TIMEOUT_MS. */
  handshakeTimeoutMs?: number
  dht?: KadOptions
  /** Peers that are refused in both directions (bans). Asked at every connection. */
  denied?: (peerId: string) => boolean
  /** Of this program, told to peers. */
  version?: string
}

type Services = { identify: Identify; identifyPush: IdentifyPush; ping: Ping; dht: KadDHT }

export interface Host {
  readonly peerId: string
  readonly libp2p: Libp2p<Services>
  readonly routing: ContentRouting
  readonly dialer: SwarmDialer
  /** Multiaddrs that others can dial, ending in `/p2p/<peer ID>`: see announcedAddrs. */
  addrs(): string[]
  /** Whoever is connected from there broke a rule: it may connect less often. */
  offended(addr: string): void
  /** Resolves when every connection and timer is gone. Ends what the dialer and routing have under way. */
  stop(): Promise<void>
}

/**
 * Starts it; it listens when this resolves.
 * @throws ERR_BAD_MULTIADDR, ERR_PORT_IN_USE, ERR_NO_PERMISSION
 */
export async function createHost(options: HostOptions): Promise<Host> {
  const listen = options.listen === undefined ? await chooseDefaultListen() : await checkListen(options.listen)
  const self = peerIdFromPrivateKey(options.privateKey)
  const given = [...new Set(options.announce)].map(text => parseAnnounceAddr(text).encapsulate(`/p2p/${self}`))
  const denied = options.denied ?? (() => false)
  const pace = options.dht?.pace ?? USUAL_PACE
  const userNames = new Set<string>()
  const inbound = new InboundRate(systemClock.now)
  const pending = new PendingInbound()
  const unnegotiated = new Unnegotiated()
  const onOffence = (connection: MessageStream) => inbound.endedFor(plainConnectionOf(connection))
  const guard = new DialGuard()
  const handshakeTimeoutMs = options.handshakeTimeoutMs ?? HANDSHAKE_TIMEOUT_MS
  const maxConnections = options.maxConnections ?? DEFAULT_MAX_CONNECTIONS
  const log = libraryLog()
  const store = new RecordStore(self.toString())
  const libp2p = await createLibp2p<Services>({
    start: false,
    ...(log && { logger: log }),
    privateKey: options.privateKey,
    datastore: store,
    nodeInfo: { name: 'shoal', version: options.version ?? '0', userAgent: `shoal/${options.version ?? '0'}` },
    addresses: { listen, announceFilter: addrs => announcedAddrs(addrs, given) },
    transports: [components => guardDials(makeTcp(components), guard, systemClock.now)],
    connectionEncrypters: (options.encryption ?? DEFAULT_ENCRYPTION).map(name => boundFirstBytes(ENCRYPTERS[name]())),
    streamMuxers: [
      afterFirstBytes(
        options.muxer === 'stock'
          ? boundStreams(
              yamux({ ...STREAM_LIMITS, streamOptions: { maxStreamWindowSize: STREAM_WINDOW_BYTES } }),
              unnegotiated,
              onOffence
            )
          : leanYamux({
              ...STREAM_LIMITS,
              maxWindowBytes: LEAN_WINDOW_BYTES,
              keepAliveMs: KEEP_ALIVE_MS * pace.pauses,
              unnegotiated,
              onOffence,
              lengthPrefixed: LENGTH_PREFIXED
            })
      )
    ],
    connectionManager: {
      maxConnections,
      inboundUpgradeTimeout: handshakeTimeoutMs,
      inboundStreamProtocolNegotiationTimeout: handshakeTimeoutMs,
      maxParallelDials: 64,
      maxDialQueueLength: 1_000,
      dialTimeout: DIAL_TIMEOUT_MS,
      // Whole swarms live behind one address (loopback, NAT), and come at once.
      inboundConnectionThreshold: 500,
      // PendingInbound ends the oldest long before
      maxIncomingPendingConnections: 2 * MAX_PENDING,
      // The DHT's neighbours are redialled when they vanish: briefly, then the routing table looks for others.
      reconnectRetries: 2,
      reconnectRetryInterval: 1_000,
      maxParallelReconnects: 4,
      // dnsaddr would ask a public resolver over HTTPS.
      resolvers: {}
    },
    // It drops a connection at the first slow ping under load.
    connectionMonitor: { enabled: false },
    connectionGater: {
      denyDialPeer: peer => denied(peer.toString()),
      denyInboundConnection: connection => {
        if (!inbound.came(connection)) return true
        pending.came(connection)
        boundPlainBytes(connection)
        return false
      },
      denyOutboundConnection: (_peer, connection) => {
        boundPlainBytes(connection)
        return false
      },
      denyInboundEncryptedConnection: peer => denied(peer.toString()),
      denyInboundUpgradedConnection: (_peer, connection) => {
        pending.done(connection)
        return false
      },
      // Host names are resolved when the user gave them, never because a stranger did.
      denyDialMultiaddr: addr => !mayDial(addr, userNames),
      filterMultiaddrForPeer: (_peer, addr) => mayDial(addr, userNames)
    },
    // A provider record is answered with the addresses in the peer store, and not at all without any. The store's own
    // ages go by the wall clock, and count from when it heard of an address first: see address-ages.ts. How many peers
    // there are is the record store's to bound.
    peerStore: { maxAddressAge: Infinity, maxPeerAge: Infinity },
    services: {
      identify: identify({ runOnLimitedConnection: false, maxInboundStreams: 4, maxOutboundStreams: 4 }),
      identifyPush: identifyPush({
        runOnLimitedConnection: false,
        maxInboundStreams: 4,
        maxOutboundStreams: 4,
        debounce: 200
      }),
      ping: ping({ runOnLimitedConnection: false, maxInboundStreams: 16, maxOutboundStreams: 16 }),
      dht: kad(options.dht)
    }
  })
  requireMethods(LIBP2P, libp2p, INNER_METHODS)
  silenceAddressUpdates(libp2p)
  trustInterfaces(libp2p)
  pushToAll(libp2p)
  staggerDials(dialQueueOf(libp2p), {
    guard,
    maxAddrs: MAX_DIALLED_ADDRS,
    addressTimeoutMs: ADDRESS_DIAL_TIMEOUT_MS
  })
  new PeerMemory({ store: libp2p.peerStore, self })
  const isConnected = (peer: PeerId) => libp2p.getConnections(peer).length > 0
  const members = tableMembers(libp2p.services.dht)
  store.isNeeded = peer => isConnected(peer) || members.has(peer.toString())
  const reachedAt = (peer: PeerId) =>
    libp2p
      .getConnections(peer)
      .filter(({ direction, remoteAddr }) => direction === 'outbound' && dnsName(remoteAddr) === undefined)
      .map(({ remoteAddr }) => remoteAddr)
  const own = { id: self, addrs: fresh(() => libp2p.getMultiaddrs(), OWN_ADDRS_MS) }
  boundPeers(libp2p.peerStore, { isConnected, reachedAt, own, maxAgeMs: RECORD_VALIDITY_MS })
  libp2p.addEventListener('connection:open', () => makeRoom(libp2p.getConnections(), maxConnections, Date.now()))
  try {
    await libp2p.start()
  } catch (err) {
    throw fromListenFailure(err, listen)
  }
  // Without it the node would not name itself as a provider.
  await libp2p.peerStore.patch(self, {
    multiaddrs: libp2p.getMultiaddrs().map(addr => addr.decapsulateCode(CODE_P2P))
  })
  const routing = new ContentRouting({
    dht: libp2p.services.dht,
    self,
    peerStore: libp2p.peerStore,
    peerRouting: libp2p.peerRouting,
    events: libp2p,
    isConnected,
    silentPeers: () => silentPeers(libp2p, SILENT_MS * pace.pauses),
    pace,
    ...(options.dht?.protocol === undefined ? {} : { protocol: options.dht.protocol })
  })
  routing.start()
  const dialer = new SwarmDialer({
    libp2p,
    log: options.log.scope('dialer'),
    guard,
    onUserName: name => userNames.add(name)
  })
  let stopping: Promise<void> | undefined
  const stop = async () => {
    // libp2p waits for connections to close by timers that do not keep the process alive: without another reason to
    // live it would end in the middle of this.
    const alive = setInterval(() => {}, 1_000)
    try {
      dialer.stop()
      await routing.stop()
      await closeConnections(libp2p)
      await libp2p.stop()
    } finally {
      clearInterval(alive)
    }
  }
  return {
    peerId: self.toString(),
    libp2p,
    routing,
    dialer,
    addrs: () => libp2p.getMultiaddrs().map(addr => addr.toString()),
    offended: addr => inbound.offended(addr),
    stop: () => {
      stopping ??= stop()
      return stopping
    }
  }
}

/** libp2p's own way waits 500 ms for each side to answer and warns about listeners where there are many streams. */
async function closeConnections(libp2p: Libp2p<Services>): Promise<void> {
  const signal = combineSignals(AbortSignal.timeout(CLOSE_TIMEOUT_MS))
  await Promise.all(
    libp2p.getConnections().map(async connection => {
      try {
        await connection.close({ signal })
      } catch (err) {
        connection.abort(err instanceof Error ? err : new ShoalError('ERR_ABORTED', 'the node stops'))
      }
    })
  )
}

/**
 * libp2p stores its own addresses a second after a listener opened or closed; that timer keeps a process alive for a
 * second after stop(). We store them ourselves at the start; whoever reads them gets those of the moment.
 */
function silenceAddressUpdates(libp2p: Libp2p<Services>): void {
  const { components } = libp2p as unknown as {
    components?: { addressManager?: { _updatePeerStoreAddresses?: () => void } }
  }
  const manager = components?.addressManager
  if (manager?._updatePeerStoreAddresses !== undefined) manager._updatePeerStoreAddresses = () => {}
}

/** What `read` returned last, unless that was longer ago. */
function fresh<T>(read: () => T, maxAgeMs: number): () => T {
  let last: { readonly value: T; readonly atMs: number } | undefined
  return () => {
    const now = systemClock.now()
    if (last === undefined || now - last.atMs > maxAgeMs) last = { value: read(), atMs: now }
    return last.value
  }
}

function dialQueueOf(libp2p: Libp2p<Services>): DialQueueView {
  const { components } = libp2p as unknown as { components: { connectionManager: { dialQueue: DialQueueView } } }
  return components.connectionManager.dialQueue
}

function mayDial(addr: Multiaddr, userNames: ReadonlySet<string>): boolean {
  const name = dnsName(addr)
  return isTcpAddr(addr) && (name === undefined || userNames.has(name))
}
