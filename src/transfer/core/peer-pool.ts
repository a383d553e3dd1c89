/**
 * The peers of the swarm that are known: from providers, links, by hand, and from peer exchange. Says whom to dial next.
 * Never ourselves, never one that is connected, being dialled, banned, or in back-off.
 */

import { HOUR_MS, MINUTE_MS, SECOND_MS } from '../../base/units.ts'
import { MAX_PEX_ADDRS } from '../protocol/limits.ts'
import type { PexPeer } from '../protocol/messages.ts'
import { affinity } from './affinity.ts'
import { Hearsay } from './hearsay.ts'

export const MAX_KNOWN_PEERS = 1000
/** Of these, told by one peer alone: nobody fills the table with rumours. */
export const MAX_KNOWN_OF_TELLER = 200
/** A peer's failures beyond which dials without a network count for nothing: it is dialled within 20 s of having one. */
const MAX_NOT_SENT = 3
/** A dial that nobody reported on is over after this. */
const DIAL_LOST_MS = MINUTE_MS
/** Of two that hear of each other the one with the greater ID leaves the dial to the other for so long. */
const YIELD_MS = SECOND_MS
const BACKOFF_MS = 5 * SECOND_MS
const MAX_BACKOFF_MS = 10 * MINUTE_MS
/** Failures after which a peer is forgotten when it is from peer exchange alone. */
const MAX_FAILURES = 5

/** After so many dials in vain one goes to whoever was found most often, of several to the one that waits longest. */
const VAIN_A_TURN = 2
/** Who is found by several lookups counts more than names that are ever new; no sooner after another than so long. */
const FOUND_AGAIN_MS = 10 * SECOND_MS
/** Of dials in vain that this is owed for. */
const MAX_OWED = 16

/** The lower, the more it is trusted. */
export type Source = 'found' | 'pex'

interface Known {
  readonly id: string
  addrs: readonly string[]
  source: Source
  /** How often it was found, at different times; 0 for hearsay. */
  found: number
  foundAt: number
  seeder: boolean
  failures: number
  /** Once that is over it waits for its dial, since then. */
  notBefore: number
  pendingSince: number | undefined
  connected: boolean
  /** The peer ID of who told of it last; undefined where it was found, or came by itself. */
  teller: string | undefined
  readonly affinity: number
}

export class PeerPool {
  readonly #selfId: string
  readonly #known = new Map<string, Known>()
  readonly #bannedUntil = new Map<string, number>()
  readonly #hearsay = new Hearsay()
  /** Dials in vain for which nobody had a turn yet. */
  #inVain = 0

  constructor(selfId: string) {
    this.#selfId = selfId
  }

  get size(): number {
    return this.#known.size
  }

  pending(now: number): number {
    let count = 0
    for (const peer of this.#known.values()) if (isPending(peer, now)) count += 1
    return count
  }

  /** @param teller the peer ID of who told of it, where that was a peer */
  add(peer: PexPeer, source: Source, now: number, teller?: string): void {
    if (peer.id === this.#selfId || peer.id === '' || this.#isBanned(peer.id, now)) return
    const known = this.#known.get(peer.id)
    if (known === undefined) {
      if (teller !== undefined && this.#toldBy(teller) >= MAX_KNOWN_OF_TELLER) return
      if (this.#known.size >= MAX_KNOWN_PEERS && !this.#makeRoom(source)) return
      this.#known.set(peer.id, {
        id: peer.id,
        addrs: peer.addrs.slice(0, MAX_PEX_ADDRS),
        source,
        found: source === 'found' ? 1 : 0,
        foundAt: now,
        seeder: peer.seeder,
        failures: 0,
        // who hears of whom does so at the same moment as the other side: two connections would come of it
        notBefore: source === 'pex' && this.#selfId > peer.id ? now + YIELD_MS : now,
        pendingSince: undefined,
        connected: false,
        teller: source === 'pex' ? teller : undefined,
        affinity: affinity(this.#selfId, peer.id)
      })
      return
    }
    known.seeder = peer.seeder
    if (source === 'found') known.teller = undefined
    else if (known.teller !== undefined && teller !== undefined && !this.#hearsay.isBelieved(known.teller, now)) {
      known.teller = teller
    }
    if (source === 'found') {
      // fresh word from a better source: its addresses first, and another chance soon
      if (known.source === 'pex') known.failures = Math.min(known.failures, 1)
      known.source = 'found'
      if (known.found === 0 || now - known.foundAt >= FOUND_AGAIN_MS) {
        known.found += 1
        known.foundAt = now
      }
      if (known.failures > 0) known.notBefore = Math.min(known.notBefore, now + backoff(known.failures))
    }
    const addrs = source === 'found' ? [...peer.addrs, ...known.addrs] : [...known.addrs, ...peer.addrs]
    known.addrs = [...new Set(addrs)].slice(0, MAX_PEX_ADDRS)
  }

  connected(peerId: string, now: number): void {
    if (!this.#known.has(peerId)) this.add({ id: peerId, addrs: [], seeder: false }, 'pex', now)
    const known = this.#known.get(peerId)
    if (known === undefined) return
    known.connected = true
    known.pendingSince = undefined
  }

  #toldBy(teller: string): number {
    let count = 0
    for (const peer of this.#known.values()) if (peer.teller === teller && !peer.connected) count += 1
    return count
  }

  /** Whether what was told of the peer may be acted on. */
  #isBelieved({ teller }: Known, now: number): boolean {
    return teller === undefined || this.#hearsay.isBelieved(teller, now)
  }

  /** It speaks our protocol and has the root. */
  greeted(peerId: string, now: number): void {
    const known = this.#known.get(peerId)
    if (known === undefined) return
    known.failures = 0
    if (known.teller !== undefined) this.#hearsay.succeeded(known.teller, now)
    // it is no hearsay any longer
    known.teller = undefined
  }

  /** Ends the waits after sessions that ended well; those after failures stay. */
  wake(now: number): void {
    for (const peer of this.#known.values()) {
      if (peer.failures === 0) peer.notBefore = Math.min(peer.notBefore, now)
    }
  }

  /** @param waitMs how long not to dial it */
  disconnected(peerId: string, now: number, waitMs: number): void {
    const known = this.#known.get(peerId)
    if (known === undefined) return
    known.connected = false
    known.notBefore = now + waitMs
  }

  /** @param failure.isSent false where this machine had no network: that says little of the peer. Default: true */
  dialFailed(peerId: string, now: number, { isSent = true }: { readonly isSent?: boolean } = {}): void {
    const known = this.#known.get(peerId)
    if (known === undefined) return
    known.pendingSince = undefined
    if (isSent || known.failures < MAX_NOT_SENT) known.failures += 1
    this.#inVain = Math.min(MAX_OWED, this.#inVain + 1)
    known.notBefore = Math.max(known.notBefore, now + backoff(known.failures))
    if (known.source === 'pex' && known.failures >= MAX_FAILURES) this.#known.delete(peerId)
  }

  ban(peerId: string, now: number): void {
    this.#known.delete(peerId)
    this.#bannedUntil.set(peerId, now + HOUR_MS)
    for (const [id, until] of this.#bannedUntil) if (until <= now) this.#bannedUntil.delete(id)
  }

  /**
   * Up to `count` peers to dial, marked as being dialled: those that never failed first. Names are free, and whoever is
   * named anew never failed: so while dials are in vain some go to those that were found before, in whatever order others come.
   * @param order `trust`: those that were found before those of hearsay; `affinity`: whoever is preferred
   */
  takeDials(count: number, now: number, order: 'trust' | 'affinity' = 'trust'): PexPeer[] {
    if (count <= 0) return []
    const ready: Known[] = []
    for (const peer of this.#known.values()) {
      if (peer.connected || isPending(peer, now) || now < peer.notBefore) continue
      if (this.#isBelieved(peer, now)) ready.push(peer)
    }
    // sorted only where somebody is owed a turn: dials are taken at every input
    const steady =
      this.#inVain < VAIN_A_TURN ? [] : [...ready].sort((a, b) => b.found - a.found || a.notBefore - b.notBefore)
    const trust = (peer: Known) => (order === 'trust' && peer.source === 'pex' ? 1 : 0)
    // the dial is lost, or waits behind those of other roots: one more is no sooner answered, and keeps others off
    const lost = (peer: Known) => (peer.pendingSince === undefined ? 0 : 1)
    ready.sort((a, b) => a.failures - b.failures || lost(a) - lost(b) || trust(a) - trust(b) || b.affinity - a.affinity)
    const dials: PexPeer[] = []
    while (dials.length < count) {
      const isOwed = this.#inVain >= VAIN_A_TURN
      const peer = (isOwed ? steady : ready).shift()
      if (peer === undefined) break
      // the dials before this one may have used up what its teller is believed
      if (peer.pendingSince === now || !this.#isBelieved(peer, now)) continue
      if (isOwed) this.#inVain -= VAIN_A_TURN
      peer.pendingSince = now
      if (peer.teller !== undefined) this.#hearsay.dialled(peer.teller, now)
      dials.push({ id: peer.id, addrs: peer.addrs, seeder: peer.seeder })
    }
    return dials
  }

  /** The highest affinity of a peer that could be dialled now and never failed; -1 where there is none. */
  bestAffinity(now: number): number {
    let best = -1
    for (const peer of this.#known.values()) {
      if (peer.connected || peer.failures > 0 || isPending(peer, now) || now < peer.notBefore) continue
      if (!this.#isBelieved(peer, now)) continue
      best = Math.max(best, peer.affinity)
    }
    return best
  }

  /** What is known of a peer, for peer exchange. */
  addrsOf(peerId: string): readonly string[] {
    return this.#known.get(peerId)?.addrs ?? []
  }

  #isBanned(peerId: string, now: number): boolean {
    return now < (this.#bannedUntil.get(peerId) ?? 0)
  }

  /** Drops the peer that is the least use, of several the one known longest; false when all are of more than the newcomer. */
  #makeRoom(source: Source): boolean {
    let worst: Known | undefined
    for (const peer of this.#known.values()) {
      if (peer.connected || peer.pendingSince !== undefined) continue
      if (worst === undefined || worth(peer) < worth(worst)) worst = peer
    }
    if (worst === undefined || worth(worst) >= (source === 'found' ? 2 : 0)) return false
    return this.#known.delete(worst.id)
  }
}

function isPending(peer: Known, now: number): boolean {
  return peer.pendingSince !== undefined && now - peer.pendingSince < DIAL_LOST_MS
}

function backoff(failures: number): number {
  return failures === 0 ? 0 : Math.min(MAX_BACKOFF_MS, BACKOFF_MS * 2 ** (failures - 1))
}

/** 0 for a rumour, for others how often they were found; less for each failure. */
function worth({ found, failures }: Known): number {
  return found - failures
}
