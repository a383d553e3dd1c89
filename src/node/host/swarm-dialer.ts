/** Opens and takes swarm streams: `/shoal/swarm/1.0.0` over libp2p. */
import type { Connection, Libp2p, PeerId, Stream } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { combineSignals, withLinked } from '../../base/abort-signals.ts'
import { type Clock, systemClock } from '../../base/clock.ts'
import { abortError, ShoalError } from '../../base/errors.ts'
import type { Logger } from '../../base/log.ts'
import type { Dialer, PeerStream } from '../../transfer/io/seams.ts'
import type { PexPeer } from '../../transfer/protocol/messages.ts'
import { dnsName, parseMultiaddr, plainAddrs } from './addresses.ts'
import { type DialStage, unreachable } from './dial-error.ts'
import type { DialGuard } from './dial-guard.ts'
import { Libp2pPeerStream } from './libp2p-stream.ts'

export const SWARM_PROTOCOL = '/shoal/swarm/1.0.0'

/** One stream for each root that two peers share. */
const MAX_STREAMS_PER_CONNECTION = 2_048
/** A stranger may name many addresses for one peer. */
const MAX_ADDRS = 16
/** For all addresses of a peer, which begin one after the other; each has 8 s of it. */
const CONNECT_TIMEOUT_MS = 16_000
const STREAM_TIMEOUT_MS = 10_000

export interface SwarmDialerInit {
  libp2p: Libp2p
  log: Logger
  /** A host name that the user gave and that may therefore be resolved. */
  onUserName: (name: string) => void
  /** The transport's too, which keeps its books. */
  guard: DialGuard
  clock?: Clock
}

export class SwarmDialer implements Dialer {
  readonly #libp2p: Libp2p
  readonly #log: Logger
  readonly #onUserName: (name: string) => void
  readonly #stopped = new AbortController()
  readonly #clock: Clock
  readonly #guard: DialGuard

  constructor(init: SwarmDialerInit) {
    this.#libp2p = init.libp2p
    this.#log = init.log
    this.#onUserName = init.onUserName
    this.#clock = init.clock ?? systemClock
    this.#guard = init.guard
  }

  /**
   * A stream to the peer, over the connection that is there or a new one: to the addresses given and those known,
   * or by peer ID through the DHT when there are none. The caller sets the stream's handlers at once.
   * @throws ERR_UNREACHABLE with the reason, ERR_ABORTED
   */
  async dial(peer: PexPeer, options: { signal: AbortSignal }): Promise<PeerStream> {
    return await withLinked([options.signal, this.#stopped.signal], signal => this.#dial(peer, signal))
  }

  async #dial(peer: PexPeer, signal: AbortSignal): Promise<PeerStream> {
    const id = peerIdOf(peer.id)
    // What a stranger says about a third is tried, not stored: only what worked goes into the peer store.
    const known = await this.#libp2p.peerStore.get(id).catch(() => undefined)
    const addrs = plainAddrs([
      ...peer.addrs.slice(0, MAX_ADDRS / 2),
      ...(known?.addresses.map(address => address.multiaddr) ?? [])
    ]).slice(0, MAX_ADDRS)
    const connection = await this.#reach(id, addrs, signal)
    const limit = combineSignals(signal, AbortSignal.timeout(STREAM_TIMEOUT_MS))
    try {
      const stream = await connection.newStream(SWARM_PROTOCOL, {
        signal: limit,
        maxOutboundStreams: MAX_STREAMS_PER_CONNECTION
      })
      return new Libp2pPeerStream(stream, connection)
    } catch (err) {
      throw signal.aborted ? abortError(signal) : unreachable(`peer ${peer.id}`, err, 'stream')
    }
  }

  /** The connection that is there, or a new one to those addresses that are worth a dial. */
  async #reach(id: PeerId, addrs: readonly string[], signal: AbortSignal): Promise<Connection> {
    const name = `peer ${id}`
    if (addrs.length === 0 || this.#libp2p.getConnections(id).length > 0) return this.#connect(id, name, signal)
    const dialled = addrs.filter(addr => this.#guard.allows(addr, id.toString(), this.#clock.now()))
    if (dialled.length === 0) {
      throw new ShoalError(
        'ERR_UNREACHABLE',
        `cannot reach ${name}: its addresses failed too often to be tried again now`,
        {
          details: { reason: 'could not be reached before' }
        }
      )
    }
    return await this.#connect(
      dialled.map(addr => multiaddr(addr).encapsulate(`/p2p/${id}`)),
      name,
      signal
    )
  }

  /**
   * Connects to an address that the user gave, with or without `/p2p/<peer ID>`.
   * @returns the peer ID
   * @throws ERR_BAD_MULTIADDR, ERR_UNREACHABLE with the reason, ERR_ABORTED
   */
  async connectTo(text: string, options: { signal?: AbortSignal } = {}): Promise<string> {
    const { addr, peerId } = parseMultiaddr(text)
    const name = addr === undefined ? undefined : dnsName(addr)
    if (name !== undefined) this.#onUserName(name)
    if (addr !== undefined) this.#guard.trust(addr.toString())
    const target: PeerId | Multiaddr | undefined =
      addr === undefined
        ? peerId === undefined
          ? undefined
          : peerIdFromString(peerId)
        : peerId === undefined
          ? addr
          : addr.encapsulate(`/p2p/${peerId}`)
    if (target === undefined) throw new ShoalError('ERR_BAD_MULTIADDR', `${text} names neither an address nor a peer`)
    const signals = [this.#stopped.signal, options.signal]
    const connection = await withLinked(signals, signal => this.#connect(target, text, signal))
    return connection.remotePeer.toString()
  }

  /** Handles swarm streams that peers open. The handler sets the stream's handlers before it returns. */
  async onStream(handler: (stream: PeerStream) => void): Promise<void> {
    await this.#libp2p.handle(
      SWARM_PROTOCOL,
      (stream: Stream, connection: Connection) => {
        try {
          handler(new Libp2pPeerStream(stream, connection))
        } catch (err) {
          this.#log.error('a swarm stream was refused', err)
          stream.abort(err instanceof Error ? err : new ShoalError('ERR_BUG', String(err)))
        }
      },
      {
        maxInboundStreams: MAX_STREAMS_PER_CONNECTION,
        maxOutboundStreams: MAX_STREAMS_PER_CONNECTION,
        runOnLimitedConnection: false
      }
    )
  }

  /** Ends every dial that is under way. */
  stop(): void {
    this.#stopped.abort()
  }

  async #connect(target: PeerId | Multiaddr | Multiaddr[], name: string, signal: AbortSignal): Promise<Connection> {
    let stage: DialStage = 'connecting'
    const limit = combineSignals(signal, AbortSignal.timeout(CONNECT_TIMEOUT_MS))
    try {
      return await this.#libp2p.dial(target, {
        signal: limit,
        onProgress: event => {
          if (event.type === 'upgrader:encrypt-outbound-connection') stage = 'handshake'
        }
      })
    } catch (err) {
      throw signal.aborted ? abortError(signal) : unreachable(name, err, stage)
    }
  }
}

/** @throws ERR_UNREACHABLE: it came from a peer, or from a link that was checked before */
function peerIdOf(text: string): PeerId {
  try {
    return peerIdFromString(text)
  } catch (cause) {
    throw new ShoalError('ERR_UNREACHABLE', `cannot reach peer ${JSON.stringify(text.slice(0, 100))}: not a peer ID`, {
      cause
    })
  }
}
