/**
 * Gets a node into its network and back into it: dials peers remembered on disk and peers given by hand, again and
 * again with growing pauses while nobody answers, and remembers who did.
 */
import type { IdentifyResult, Libp2p, PeerId } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { withLinked } from '../../base/abort-signals.ts'
import type { Logger } from '../../base/log.ts'
import { RecentMap } from '../../base/recent-map.ts'
import { hostOf } from '../../base/remote-host.ts'
import { KAD_PROTOCOL } from '../../dht/kad.ts'
import { parseMultiaddr } from './addresses.ts'
import type { PeerBook, RememberedPeer } from './peer-book.ts'
import { type AskForLife, redialSilent } from './redial-silent.ts'
import type { SwarmDialer } from './swarm-dialer.ts'

/** Remembered peers tried in one round, and how many connections are enough to try none. */
const REMEMBERED_A_ROUND = 12
/** Of these the latest seen, in each round; the others have their turn, so that whoever of 200 is there is found. */
const LATEST_A_ROUND = 4
/** More than are remembered at a time. */
const MAX_TRIED = 256
const ENOUGH_CONNECTIONS = 4
const CONCURRENCY = 6
const DIAL_TIMEOUT_MS = 16_000

/** The first pauses are short: the one contact may just be starting, or have gone silent as it was met. */
const FIRST_PAUSES_MS = [3_000, 5_000, 10_000, 15_000]
/** Whether this machine has other addresses than before, as when it has a network again. */
export const LOOK_EVERY_MS = 15_000
/** A peer given by hand that goes away is dialled again after so long. */
const REDIAL_MS = 5_000

/** The pause after round `round` (from 0): the first ones, 30 s four times, then doubling up to ten minutes. */
export function pauseAfterRoundMs(round: number): number {
  return FIRST_PAUSES_MS[round] ?? Math.min(30_000 * 2 ** Math.max(0, round - FIRST_PAUSES_MS.length - 3), 600_000)
}

export interface FirstContactInit {
  libp2p: Libp2p
  dialer: SwarmDialer
  /** Whether nobody is known who answers questions of the DHT: its table is empty. */
  isAlone?: () => boolean
  /** See redial-silent.ts; nobody is asked without. */
  ping?: AskForLife
  book: Pick<PeerBook, 'saw' | 'find' | 'recent' | 'flush'>
  /** Multiaddrs given by hand or by configuration, checked. They are kept connected. */
  peers: readonly string[]
  log: Logger
  /** Of this node. When they change, a new series of rounds begins. Default: they never do. */
  addrs?: () => readonly string[]
  /** They changed. */
  onMoved?: () => void
  /** The DHT protocol of this network; only its servers are remembered. */
  protocol?: string
  /** A peer given by hand could not be reached; called once until it has been reached. */
  onUnreachable?: (addr: string, err: unknown) => void
}

export class FirstContact {
  readonly #init: FirstContactInit
  readonly #stopped = new AbortController()
  /** The peer ID behind each address given by hand, once known. */
  readonly #idOf = new Map<string, string>()
  readonly #told = new Set<string>()
  /** Remembered peer → how many were tried before it. */
  readonly #tried = new RecentMap<string, number>(MAX_TRIED)
  #tries = 0
  #round = 0
  #timer: NodeJS.Timeout | undefined
  #look: NodeJS.Timeout | undefined
  #addrs = ''
  /** Under way: one that begins anew does not wait for one whose dials lead nowhere. */
  readonly #rounds = new Set<Promise<void>>()

  constructor(init: FirstContactInit) {
    this.#init = init
    for (const addr of init.peers) {
      const { peerId } = parseMultiaddr(addr)
      if (peerId !== undefined) this.#idOf.set(addr, peerId)
    }
  }

  /** Starts the first round and returns; the returned promise resolves when that round has ended. */
  start(): Promise<void> {
    this.#init.libp2p.addEventListener('peer:identify', this.#onIdentify)
    this.#init.libp2p.addEventListener('peer:disconnect', this.#onDisconnect)
    this.#addrs = this.#ownAddrs
    this.#look = setInterval(() => this.#lookAround(), LOOK_EVERY_MS).unref()
    return this.#begin()
  }

  /** The peers given by hand whose ID is known: address → peer ID. */
  reached(): ReadonlyMap<string, string> {
    return this.#idOf
  }

  async stop(): Promise<void> {
    this.#init.libp2p.removeEventListener('peer:identify', this.#onIdentify)
    this.#init.libp2p.removeEventListener('peer:disconnect', this.#onDisconnect)
    clearTimeout(this.#timer)
    clearInterval(this.#look)
    this.#stopped.abort()
    await Promise.all(this.#rounds)
    await this.#init.book.flush()
  }

  /** Where a peer can be dialled is what it says in identify, and what worked for us. */
  readonly #onIdentify = (event: CustomEvent<IdentifyResult>): void => {
    const { connection, listenAddrs, peerId, protocols, signedPeerRecord } = event.detail
    if (!protocols.includes(this.#init.protocol ?? KAD_PROTOCOL)) return
    const isDialled = connection.direction === 'outbound'
    const dialled = isDialled ? [connection.remoteAddr] : []
    const addrs = [...dialled, ...(signedPeerRecord?.addresses ?? listenAddrs)]
    this.#init.book.saw(
      peerId.toString(),
      addrs.map(addr => addr.toString()),
      isDialled ? undefined : hostOf(connection.remoteAddr.toString())
    )
  }

  readonly #onDisconnect = (event: CustomEvent<PeerId>): void => {
    if (this.#stopped.signal.aborted) return
    const hasOthers = this.#init.libp2p.getConnections().length > 0
    if (hasOthers && ![...this.#idOf.values()].includes(event.detail.toString())) return
    this.#round = 0
    this.#schedule(hasOthers ? REDIAL_MS : 1_000)
  }

  get #ownAddrs(): string {
    return [...(this.#init.addrs?.() ?? [])].sort().join()
  }

  #lookAround(): void {
    const addrs = this.#ownAddrs
    if (addrs === this.#addrs) return
    this.#addrs = addrs
    this.#round = 0
    this.#schedule(0)
    this.#init.onMoved?.()
  }

  get #isAlone(): boolean {
    return this.#init.isAlone?.() ?? this.#init.libp2p.getConnections().length === 0
  }

  #begin(): Promise<void> {
    const round = this.#runRound()
      .catch(err => this.#init.log.error('a round of dialling failed', err))
      .finally(() => this.#rounds.delete(round))
    this.#rounds.add(round)
    return round
  }

  #schedule(waitMs: number): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => void this.#begin(), waitMs).unref()
  }

  async #runRound(): Promise<void> {
    const { book, libp2p, log, ping } = this.#init
    if (this.#isAlone && ping !== undefined) {
      const addrsOf = (id: string) => book.find(id)?.addrs ?? []
      await redialSilent({ libp2p, ping, addrsOf, log, signal: this.#stopped.signal })
    }
    const remembered = this.#inTurn(book.recent().filter(peer => !this.#isConnected(peer.id)))
    const byHand = this.#init.peers.filter(addr => {
      const id = this.#idOf.get(addr)
      return id === undefined || !this.#isConnected(id)
    })
    const tasks = [
      ...remembered.map(peer => () => this.#dialRemembered(peer)),
      ...byHand.map(addr => () => this.#dialByHand(addr))
    ]
    await Promise.all(
      Array.from({ length: Math.min(CONCURRENCY, tasks.length) }, async () => {
        for (let task = tasks.shift(); task !== undefined; task = tasks.shift()) {
          if (this.#stopped.signal.aborted) return
          await task()
        }
      })
    )
    if (this.#stopped.signal.aborted) return
    if (libp2p.getConnections().length > 0) log.debug(`${libp2p.getConnections().length} connections after a round`)
    this.#schedule(pauseAfterRoundMs(this.#round++))
  }

  #inTurn(peers: readonly RememberedPeer[]): RememberedPeer[] {
    const lastTry = ({ id }: RememberedPeer) => this.#tried.get(id) ?? -1
    const others = peers.slice(LATEST_A_ROUND).sort((a, b) => lastTry(a) - lastTry(b))
    return [...peers.slice(0, LATEST_A_ROUND), ...others].slice(0, REMEMBERED_A_ROUND)
  }

  async #dialRemembered(peer: RememberedPeer): Promise<void> {
    const hasEnough = !this.#isAlone && this.#init.libp2p.getConnections().length >= ENOUGH_CONNECTIONS
    if (hasEnough || this.#isConnected(peer.id)) return
    this.#tried.set(peer.id, this.#tries++)
    try {
      const addrs = peer.addrs.map(addr => multiaddr(addr).encapsulate(`/p2p/${peer.id}`))
      const signals = [this.#stopped.signal, AbortSignal.timeout(DIAL_TIMEOUT_MS)]
      await withLinked(signals, signal => this.#init.libp2p.dial(addrs, { signal }))
    } catch (err) {
      this.#init.log.debug(`remembered peer ${peer.id} does not answer`, err)
    }
  }

  async #dialByHand(addr: string): Promise<void> {
    try {
      this.#idOf.set(addr, await this.#init.dialer.connectTo(addr, { signal: this.#stopped.signal }))
      this.#told.delete(addr)
    } catch (err) {
      if (this.#stopped.signal.aborted || this.#told.has(addr)) return
      this.#told.add(addr)
      this.#init.log.warn(err instanceof Error ? err.message : String(err))
      this.#init.onUnreachable?.(addr, err)
    }
  }

  #isConnected(id: string): boolean {
    return this.#init.libp2p.getConnections(peerIdFromString(id)).length > 0
  }
}
