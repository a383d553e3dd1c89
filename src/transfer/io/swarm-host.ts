/**
 * All swarms of one node: routes incoming streams to the swarm of their root, and owns what the swarms share: the upload
 * queue, the rate limits, the ban list, the buffers, the tick.
 */
import { linkSignals } from '../../base/abort-signals.ts'
import type { Clock } from '../../base/clock.ts'
import { ShoalError } from '../../base/errors.ts'
import type { Logger } from '../../base/log.ts'
import type { Random } from '../../base/random.ts'
import { sharedBytes } from '../../base/shared-memory.ts'
import { TypedEvents } from '../../base/typed-events.ts'
import { SECOND_MS } from '../../base/units.ts'
import { BanList } from '../core/ban-list.ts'
import { BLOCK_BYTES, BLOCK_SLACK_BYTES } from '../core/config.ts'
import { Offences } from '../core/offences.ts'
import type { GoodbyeCode, Message, PexPeer } from '../protocol/messages.ts'
import { Arrivals } from './arrivals.ts'
import { BufferPool } from './buffer-pool.ts'
import { DialSlots } from './dial-slots.ts'
import { DownloadGate, MAX_UNWRITTEN_BYTES } from './download-gate.ts'
import { PeerSession, type SessionHandlers } from './peer-session.ts'
import { PieceHasher } from './piece-hasher.ts'
import { RateLimiter } from './rate-limiter.ts'
import type { Rates } from './root-limits.ts'
import type { Dialer, PeerStream, SideHasher } from './seams.ts'
import { SwarmRunner } from './swarm-runner.ts'
import { Uploader } from './uploader.ts'

const TICK_MS = 250
const DIAL_TIMEOUT_MS = 15 * SECOND_MS
/** An incoming stream that has not said hello by then is closed. */
export const HELLO_TIMEOUT_MS = 10 * SECOND_MS
/** Any block. */
const POOLED_BUFFER_BYTES = BLOCK_BYTES + BLOCK_SLACK_BYTES
/** As many as wait for the disk at most: the collector does not see what shared memory it could free. */
const MAX_IDLE_BUFFERS = MAX_UNWRITTEN_BYTES / BLOCK_BYTES

export interface SwarmHostInit {
  readonly selfId: string
  readonly dialer: Dialer
  /** Where a connected peer can be dialled, as far as it said so; not where it dialled from. */
  readonly addrsOf: (peerId: string) => readonly string[]
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  /** Bytes a second; absent: no limit. */
  readonly up?: number | undefined
  readonly down?: number | undefined
  /** The limits of a root alone, when its swarm is opened; `SwarmRunner.limits` changes them. Default: none. */
  readonly limitsOf?: (root: Uint8Array) => Rates
  /** Default: all is hashed on this thread. */
  readonly sideHasher?: SideHasher | undefined
  /** Whoever is there broke a rule, and lost a session for it. */
  readonly onOffence?: (addr: string) => void
  /** Default HELLO_TIMEOUT_MS. */
  readonly helloTimeoutMs?: number
}

export interface SwarmHostEvents {
  'peer:banned': { peerId: string; reason: string }
}

const hex = (bytes: Uint8Array) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex')

export class SwarmHost {
  readonly init: SwarmHostInit
  /** The node's limits; each swarm has its own below them. */
  readonly limits: { readonly up: RateLimiter; readonly down: RateLimiter }
  readonly gate = new DownloadGate()
  readonly uploader: Uploader
  /** Of memory that the disk threads see: they hash it, and write it. */
  readonly pool = new BufferPool(POOLED_BUFFER_BYTES, MAX_IDLE_BUFFERS, sharedBytes)
  readonly hasher: PieceHasher
  readonly events = new TypedEvents<SwarmHostEvents>()
  readonly #bans = new BanList()
  readonly #swarms = new Map<string, SwarmRunner>()
  readonly #offences = new Offences()
  readonly #arrivals = new Arrivals()
  readonly #dialSlots = new DialSlots()
  readonly #ticker: NodeJS.Timeout
  #nextSession = 1
  #stopped = false

  constructor(init: SwarmHostInit) {
    this.init = init
    this.uploader = new Uploader(() => init.clock.now())
    this.hasher = new PieceHasher(init.clock, init.sideHasher)
    this.limits = { up: new RateLimiter(init.clock, init.up), down: new RateLimiter(init.clock, init.down) }
    this.#ticker = setInterval(() => {
      for (const swarm of this.#swarms.values()) swarm.tick()
      this.uploader.tick(init.clock.now())
    }, TICK_MS)
    this.#ticker.unref()
  }

  get swarms(): IterableIterator<SwarmRunner> {
    return this.#swarms.values()
  }

  /** The swarm of a root; a new one when there is none. @param root CID bytes (v1) */
  open(root: Uint8Array): SwarmRunner {
    const key = hex(root)
    const known = this.#swarms.get(key)
    if (known !== undefined) return known
    const swarm = new SwarmRunner(this, root)
    this.#swarms.set(key, swarm)
    return swarm
  }

  get(root: Uint8Array): SwarmRunner | undefined {
    return this.#swarms.get(hex(root))
  }

  async close(root: Uint8Array): Promise<void> {
    const swarm = this.#swarms.get(hex(root))
    this.#swarms.delete(hex(root))
    await swarm?.stop()
  }

  async stop(): Promise<void> {
    this.#stopped = true
    clearInterval(this.#ticker)
    for (const session of this.#arrivals.ungreeted)
      session.abort(new ShoalError('ERR_ABORTED', 'this node is stopping'))
    await Promise.all([...this.#swarms.values()].map(swarm => swarm.stop()))
    this.#swarms.clear()
    this.limits.up.stop()
    this.limits.down.stop()
  }

  isBanned(peerId: string): boolean {
    return this.#bans.isBanned(peerId, this.init.clock.now())
  }

  /** @param code what its sessions are told */
  ban(peerId: string, reason: string, code: GoodbyeCode = 'badData'): void {
    this.#bans.ban(peerId, this.init.clock.now())
    const session = [...this.#swarms.values()].flatMap(swarm => swarm.sessions).find(each => each.peerId === peerId)
    if (session !== undefined) this.init.onOffence?.(session.stream.addr)
    this.init.log.warn(`banned ${peerId}: ${reason}`)
    for (const swarm of this.#swarms.values()) swarm.dropPeer(peerId, code, reason)
    this.events.emit('peer:banned', { peerId, reason })
  }

  /** A connected peer said where it can be dialled. */
  learned(peerId: string, addrs: readonly string[]): void {
    for (const swarm of this.#swarms.values()) swarm.learned(peerId, addrs)
  }

  openSession(stream: PeerStream, handlers: SessionHandlers): PeerSession {
    return new PeerSession(this.#nextSession++, stream, handlers, {
      now: () => this.init.clock.now(),
      onOffence: (code, message) => this.#offended(stream, code, message)
    })
  }

  /**
   * @param onSession in the turn in which the session is there
   * @throws what the dialer throws, and where the peer is banned
   */
  async dial(
    peer: PexPeer,
    { handlers, onSession }: { handlers: SessionHandlers; onSession: (session: PeerSession) => void },
    stopping: AbortSignal
  ): Promise<void> {
    const release = await this.#dialSlots.take(peer.id, stopping)
    const { signal, clear } = linkSignals(stopping, AbortSignal.timeout(DIAL_TIMEOUT_MS))
    let session: PeerSession | undefined
    try {
      this.#refuseBanned(peer.id)
      const stream = await this.init.dialer.dial(peer, { signal })
      try {
        stopping.throwIfAborted()
        this.#refuseBanned(stream.peerId)
      } catch (err) {
        stream.abort(new ShoalError('ERR_ABORTED', 'this session is not wanted any more'))
        throw err
      }
      session = this.openSession(stream, handlers)
      onSession(session)
    } finally {
      clear()
      if (session === undefined) release()
      else session.onHeard(release)
    }
  }

  /** Who dials must hear that it came to nothing: peer exchange names them all the same. */
  #refuseBanned(peerId: string): void {
    if (!this.isBanned(peerId)) return
    throw new ShoalError('ERR_UNREACHABLE', `${peerId} is banned`, { details: { reason: 'were banned' } })
  }

  /** An incoming stream: its hello says which root it is about. */
  accept(stream: PeerStream): void {
    const refusal = this.#stopped
      ? 'this node is stopping'
      : this.#arrivals.refusal(stream.peerId, this.init.clock.now())
    if (refusal !== undefined) {
      stream.abort(new ShoalError('ERR_LIMIT', refusal))
      return
    }
    // it may be slow, or gone: that is no offence
    const timer = setTimeout(() => session.goodbye('idle', 'no hello'), this.init.helloTimeoutMs ?? HELLO_TIMEOUT_MS)
    const done = () => {
      clearTimeout(timer)
      this.#arrivals.done(session)
    }
    const session = this.openSession(stream, {
      onMessage: (_, message) => {
        done()
        this.#greet(session, message)
      },
      onData: () => session.goodbye('protocol', 'data before hello'),
      onDrain: () => {},
      onClosed: done
    })
    if (!session.isClosed) this.#arrivals.came(session)
  }

  #offended({ peerId, addr }: PeerStream, code: GoodbyeCode, message: string): void {
    // the other sessions of one that is banned end for the same
    if (this.isBanned(peerId)) return
    this.init.onOffence?.(addr)
    if (!this.#offences.add(peerId, this.init.clock.now())) return
    // not in the middle of an action of that session
    queueMicrotask(() => this.ban(peerId, `it broke the rules again and again, the last time: ${message}`, code))
  }

  #greet(session: PeerSession, message: Message): void {
    if (message.type === 'goodbye') {
      session.abort(new ShoalError('ERR_PROTOCOL', message.message))
      return
    }
    if (message.type !== 'hello') {
      session.goodbye('protocol', `${message.type} before hello`)
      return
    }
    if (this.isBanned(session.peerId)) {
      session.goodbye('badData', 'this peer is banned')
      return
    }
    const swarm = this.#swarms.get(hex(message.root))
    if (swarm === undefined) {
      session.goodbye('notFound', 'this node does not share that root')
      return
    }
    swarm.adopt(session, message)
  }
}
