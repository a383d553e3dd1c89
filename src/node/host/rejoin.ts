/**
 * Dials peers again that were lost while others stayed, so that the halves of a network that was cut find each other
 * (lost-peers.ts says whom and when). Complements first-contact.ts, which acts for a node that has nearly nobody.
 */
import type { Libp2p, PeerId } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { withLinked } from '../../base/abort-signals.ts'
import { type Clock, systemClock } from '../../base/clock.ts'
import type { Logger } from '../../base/log.ts'
import { MINUTE_MS, SECOND_MS } from '../../base/units.ts'
import { LostPeers } from './lost-peers.ts'
import type { PeerBook } from './peer-book.ts'

const DIAL_TIMEOUT_MS = 16 * SECOND_MS
/** Half of what a node takes: with so many it has no need, and whoever made room for others is not dialled back. */
const MANY_CONNECTIONS = 300
/** With so many nothing is dialled; looked at again after so long. */
const IDLE_LOOK_MS = MINUTE_MS

/** Calls `run` once after `ms`; the returned function takes it back. */
type StartTimer = (run: () => void, ms: number) => () => void

export interface RejoinInit {
  readonly libp2p: Pick<Libp2p, 'addEventListener' | 'removeEventListener' | 'getConnections' | 'dial'>
  /** Peers worth knowing, with where they can be dialled: servers of the DHT that were connected. */
  readonly book: Pick<PeerBook, 'recent' | 'find'>
  readonly log: Logger
  readonly clock?: Clock
  readonly startTimer?: StartTimer
}

const startSystemTimer: StartTimer = (run, ms) => {
  const timer = setTimeout(run, ms).unref()
  return () => clearTimeout(timer)
}

/** Invariant: at most one dial and one timer at a time; a timer is set while somebody is lost and nobody dialled. */
export class Rejoin {
  readonly #init: RejoinInit
  readonly #clock: Clock
  readonly #startTimer: StartTimer
  readonly #lost = new LostPeers()
  readonly #stopped = new AbortController()
  #cancelTimer: (() => void) | undefined
  #dialling: Promise<void> | undefined

  constructor(init: RejoinInit) {
    this.#init = init
    this.#clock = init.clock ?? systemClock
    this.#startTimer = init.startTimer ?? startSystemTimer
  }

  /** Peers of an earlier process that are not connected count as lost now. */
  start(): void {
    this.#init.libp2p.addEventListener('peer:connect', this.#onConnect)
    this.#init.libp2p.addEventListener('peer:disconnect', this.#onDisconnect)
    const now = this.#clock.now()
    for (const { id } of this.#init.book.recent().reverse()) if (!this.#isConnected(id)) this.#lost.lost(id, now)
    this.#schedule()
  }

  /** The addresses of this machine changed, as when it has a network again. */
  moved(): void {
    this.#lost.startOver(this.#clock.now())
    this.#cancelTimer?.()
    this.#cancelTimer = undefined
    this.#schedule()
  }

  async stop(): Promise<void> {
    this.#init.libp2p.removeEventListener('peer:connect', this.#onConnect)
    this.#init.libp2p.removeEventListener('peer:disconnect', this.#onDisconnect)
    this.#stopped.abort()
    this.#cancelTimer?.()
    await this.#dialling
  }

  readonly #onConnect = (event: CustomEvent<PeerId>): void => {
    this.#lost.forget(event.detail.toString())
  }

  readonly #onDisconnect = (event: CustomEvent<PeerId>): void => {
    const id = event.detail.toString()
    if (this.#init.book.find(id) === undefined) return
    this.#lost.lost(id, this.#clock.now())
    this.#schedule()
  }

  #schedule(): void {
    if (this.#stopped.signal.aborted || this.#cancelTimer !== undefined || this.#dialling !== undefined) return
    const waitMs = this.#lost.waitMs(this.#clock.now())
    if (waitMs === undefined) return
    const hasMany = this.#init.libp2p.getConnections().length >= MANY_CONNECTIONS
    this.#cancelTimer = this.#startTimer(() => this.#run(), hasMany ? Math.max(waitMs, IDLE_LOOK_MS) : waitMs)
  }

  #run(): void {
    this.#cancelTimer = undefined
    const hasMany = this.#init.libp2p.getConnections().length >= MANY_CONNECTIONS
    const id = hasMany ? undefined : this.#lost.take(this.#clock.now())
    if (id === undefined) {
      this.#schedule()
      return
    }
    this.#dialling = this.#dial(id).finally(() => {
      this.#dialling = undefined
      this.#schedule()
    })
  }

  async #dial(id: string): Promise<void> {
    const known = this.#init.book.find(id)
    if (known === undefined || this.#isConnected(id)) return this.#lost.forget(id)
    // a peer may say that it is at a victim's address: the transport's guard sees to that
    const addrs = known.addrs.map(addr => multiaddr(addr).encapsulate(`/p2p/${id}`))
    const signals = [this.#stopped.signal, AbortSignal.timeout(DIAL_TIMEOUT_MS)]
    try {
      await withLinked(signals, signal => this.#init.libp2p.dial(addrs, { signal }))
      this.#init.log.info(`peer ${id}, which was lost, is back`)
    } catch (err) {
      if (this.#stopped.signal.aborted) return
      this.#init.log.debug(`lost peer ${id} does not answer`, err)
    }
  }

  #isConnected(id: string): boolean {
    return this.#init.libp2p.getConnections(peerIdFromString(id)).length > 0
  }
}
