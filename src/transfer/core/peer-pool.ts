/**
 * The peers of the swarm that are known: from providers, links, by hand, and from peer exchange. Says whom to dial next.
 * Never ourselves, never one that is connected, being dialled, banned, or in back-off.
 */
import { HOUR_MS, MINUTE_MS, SECOND_MS } from '../../base/units.ts'
import { MAX_PEX_ADDRS } from '../protocol/limits.ts'
import type { PexPeer } from '../protocol/messages.ts'

export const MAX_KNOWN_PEERS = 1000
/** A dial that nobody reported on is over after this. */
const DIAL_LOST_MS = MINUTE_MS
const BACKOFF_MS = 5 * SECOND_MS
const MAX_BACKOFF_MS = 10 * MINUTE_MS
/** Failures after which a peer is forgotten when it is from peer exchange alone. */
const MAX_FAILURES = 5

/** The lower, the more it is trusted. */
export type Source = 'found' | 'pex'

interface Known {
  readonly id: string
  addrs: readonly string[]
  source: Source
  seeder: boolean
  failures: number
  notBefore: number
  pendingSince: number | undefined
  connected: boolean
}

export class PeerPool {
  readonly #selfId: string
  readonly #known = new Map<string, Known>()
  readonly #bannedUntil = new Map<string, number>()

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

  add(peer: PexPeer, source: Source, now: number): void {
    if (peer.id === this.#selfId || peer.id === '' || this.#isBanned(peer.id, now)) return
    const known = this.#known.get(peer.id)
    if (known === undefined) {
      if (this.#known.size >= MAX_KNOWN_PEERS && !this.#makeRoom(source)) return
      this.#known.set(peer.id, {
        id: peer.id,
        addrs: peer.addrs.slice(0, MAX_PEX_ADDRS),
        source,
        seeder: peer.seeder,
        failures: 0,
        notBefore: 0,
        pendingSince: undefined,
        connected: false
      })
      return
    }
    known.seeder = peer.seeder
    if (source === 'found') {
      // fresh word from a better source: its addresses first, and another chance soon
      if (known.source === 'pex') known.failures = Math.min(known.failures, 1)
      known.source = 'found'
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

  /** It speaks our protocol and has the root. */
  greeted(peerId: string): void {
    const known = this.#known.get(peerId)
    if (known !== undefined) known.failures = 0
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

  dialFailed(peerId: string, now: number): void {
    const known = this.#known.get(peerId)
    if (known === undefined) return
    known.pendingSince = undefined
    known.failures += 1
    known.notBefore = Math.max(known.notBefore, now + backoff(known.failures))
    if (known.source === 'pex' && known.failures >= MAX_FAILURES) this.#known.delete(peerId)
  }

  ban(peerId: string, now: number): void {
    this.#known.delete(peerId)
    this.#bannedUntil.set(peerId, now + HOUR_MS)
    for (const [id, until] of this.#bannedUntil) if (until <= now) this.#bannedUntil.delete(id)
  }

  /** Up to `count` peers to dial, marked as being dialled. */
  takeDials(count: number, now: number): PexPeer[] {
    if (count <= 0) return []
    const ready: Known[] = []
    for (const peer of this.#known.values()) {
      if (peer.connected || isPending(peer, now) || now < peer.notBefore) continue
      ready.push(peer)
    }
    ready.sort((a, b) => a.failures - b.failures || rank(a) - rank(b) || (a.id < b.id ? -1 : 1))
    return ready.slice(0, count).map(peer => {
      peer.pendingSince = now
      return { id: peer.id, addrs: peer.addrs, seeder: peer.seeder }
    })
  }

  /** What is known of a peer, for peer exchange. */
  addrsOf(peerId: string): readonly string[] {
    return this.#known.get(peerId)?.addrs ?? []
  }

  #isBanned(peerId: string, now: number): boolean {
    return now < (this.#bannedUntil.get(peerId) ?? 0)
  }

  /** Drops the peer that is the least use; false when all are as good as the newcomer. */
  #makeRoom(source: Source): boolean {
    let worst: Known | undefined
    for (const peer of this.#known.values()) {
      if (peer.connected || peer.pendingSince !== undefined) continue
      if (worst === undefined || worth(peer) < worth(worst)) worst = peer
    }
    if (worst === undefined || worth(worst) >= (source === 'found' ? 1 : 0)) return false
    return this.#known.delete(worst.id)
  }
}

function isPending(peer: Known, now: number): boolean {
  return peer.pendingSince !== undefined && now - peer.pendingSince < DIAL_LOST_MS
}

function backoff(failures: number): number {
  return failures === 0 ? 0 : Math.min(MAX_BACKOFF_MS, BACKOFF_MS * 2 ** (failures - 1))
}

/** 0 for a rumour and 1 for one that was found, less for each failure. */
function worth(peer: Known): number {
  return (peer.source === 'found' ? 1 : 0) - peer.failures
}

function rank(peer: Known): number {
  return peer.source === 'found' ? 0 : 1
}
