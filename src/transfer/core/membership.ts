/**
 * Who is in the swarm with us: sessions that begin and end, whom to dial, whom to tell of whom.
 *
 * Invariant: one session for a peer. A session that ended is in no table here and gets no more actions.
 */

import { MINUTE_MS, SECOND_MS } from '../../base/units.ts'
import type { GoodbyeCode, Message, PexPeer } from '../protocol/messages.ts'
import { affinity } from './affinity.ts'
import type { SwarmConfig } from './config.ts'
import { PeerPool } from './peer-pool.ts'
import { Pex } from './pex.ts'
import { Session } from './session.ts'
import type { Action, Input, SessionId } from './swarm-io.ts'

/** After the first dial only a few are made for so long: the first to come must not become hubs. */
const SETTLE_MS = SECOND_MS
/** How long a peer is not dialled that closed without a word. */
const WAIT_MS = 5 * SECOND_MS
/** A peer that was dialled and has not said hello by then is not waited for. */
const HELLO_MS = 30 * SECOND_MS
/** A session in which nothing moved for so long after its beginning does not count when there are peers to dial … */
const UNTRIED_MS = 5 * SECOND_MS
/** … and makes room for a newcomer where there is none. */
const USELESS_MS = 30 * SECOND_MS

export interface MembershipInit {
  readonly selfId: string
  readonly config: SwarmConfig
  readonly emit: (action: Action) => void
  /** The session stays: say hello, before anything else is said to it. */
  readonly onOpened: (session: Session) => void
  /** The session is over: forget all of it. */
  readonly onGone: (session: Session) => void
}

export class Membership {
  readonly sessions = new Map<SessionId, Session>()
  readonly #init: MembershipInit
  readonly #pool: PeerPool
  readonly #pex = new Pex()
  #beganAt: number | undefined
  #turnedAt = 0

  constructor(init: MembershipInit) {
    this.#init = init
    this.#pool = new PeerPool(init.selfId)
  }

  get peersKnown(): number {
    return this.#pool.size
  }

  dialsPending(now: number): number {
    return this.#pool.pending(now)
  }

  /** The new session stays, or is ended at once. @param isStarved nothing comes from all that are here */
  open(input: Extract<Input, { type: 'sessionOpened' }>, now: number, isStarved = false): void {
    if (this.sessions.has(input.session)) return
    const session = new Session({ id: input.session, peerId: input.peerId, outbound: input.outbound, now })
    const twin = [...this.sessions.values()].find(other => other.peerId === input.peerId)
    this.sessions.set(session.id, session)
    if (input.peerId === this.#init.selfId) {
      this.end(session, 'duplicate', 'this is the same node', now)
      return
    }
    this.#pool.connected(input.peerId, now)
    if (input.addrs !== undefined) {
      this.#pool.add({ id: input.peerId, addrs: input.addrs, seeder: false }, 'pex', now)
    }
    if (twin !== undefined && this.#loserOf(twin, session) === session) {
      this.end(session, 'duplicate', 'another session with this peer is open', now)
      return
    }
    const isFull = twin === undefined && this.sessions.size > this.#init.config.maxSessions
    const useless = isFull ? this.#mostUseless(session, now, isStarved) : undefined
    if (isFull && useless === undefined) {
      this.end(session, 'full', `this node has ${this.#init.config.maxSessions} peers for that root already`, now)
      return
    }
    // when another ends what it owed is asked of others, and all that are here hear of that
    this.#init.onOpened(session)
    if (twin !== undefined) this.end(twin, 'duplicate', 'another session with this peer is open', now)
    if (useless !== undefined) this.end(useless, 'full', 'nothing was exchanged, and others wait', now)
  }

  /**
   * The session that was of no use for the longest time, if there is one. Where nothing comes from anybody it may have
   * been of use before: all that are here may have the same by now, and whoever has more would be kept out.
   */
  #mostUseless(newcomer: Session, now: number, isStarved: boolean): Session | undefined {
    let idlest: Session | undefined
    for (const session of this.sessions.values()) {
      if (session === newcomer) continue
      if (isUseless(session, now, USELESS_MS)) return session
      const isIdle = session.lacked === 0 && now - session.movedAt >= USELESS_MS
      if (isIdle && (idlest === undefined || session.movedAt < idlest.movedAt)) idlest = session
    }
    return isStarved ? idlest : undefined
  }

  /** The session said a hello that fits. */
  greeted(session: Session, now: number): void {
    session.greeted = true
    if (session.outbound && this.sessions.size > this.#init.config.maxDialled) this.#leaveLeastPreferred(session, now)
    this.#pool.greeted(session.peerId, now)
    this.#pex.joined(session.id)
  }

  end(session: Session, code: GoodbyeCode, message: string, now: number): void {
    if (this.sessions.get(session.id) !== session) return
    this.#init.emit({ type: 'disconnect', session: session.id, code, message })
    this.forget(session, code, now)
  }

  ban(peerId: string, reason: string, now: number): void {
    this.#init.emit({ type: 'ban', peerId, reason })
    this.#pool.ban(peerId, now)
    for (const session of [...this.sessions.values()])
      if (session.peerId === peerId) this.forget(session, 'badData', now)
  }

  /** The session is over. @param code why; undefined: without a word */
  forget(session: Session, code: GoodbyeCode | undefined, now: number): void {
    this.sessions.delete(session.id)
    this.#pex.gone(session.id)
    const twin = [...this.sessions.values()].some(other => other.peerId === session.peerId)
    if (!twin) {
      // too slow to say hello, on either side: no more than a dial that failed
      const isUnanswered = !session.greeted && (code === undefined || code === 'idle')
      this.#pool.disconnected(session.peerId, now, code === undefined || isUnanswered ? WAIT_MS : waitAfter(code))
      if (isUnanswered) this.#pool.dialFailed(session.peerId, now)
    }
    this.#init.onGone(session)
  }

  found(peers: readonly PexPeer[], now: number): void {
    for (const peer of peers) this.#pool.add(peer, 'found', now)
  }

  heard(session: Session, message: Extract<Message, { type: 'pex' }>, now: number): void {
    for (const peer of this.#pex.received(session.id, message)) this.#pool.add(peer, 'pex', now, session.peerId)
  }

  dialFailed({ peerId, isSent = true }: Extract<Input, { type: 'dialFailed' }>, now: number): void {
    this.#pool.dialFailed(peerId, now, { isSent })
  }

  /** There is something to fetch again: peers that left because there was nothing are of interest now. */
  wake(now: number): void {
    this.#pool.wake(now)
  }

  /**
   * Dials as many as there is room for: a few at once, so that there is soon something to fetch, and the others when
   * more peers are known. Later one at a time that is preferred to one of those we dialled, which is left then; while
   * nothing comes from all that are there, whoever else is known, in the same time.
   */
  dial(now: number, isStarved = false): void {
    const { maxPendingDials, firstDialled, maxDialled, turnoverMs } = this.#init.config
    this.#beganAt ??= now
    const pending = this.#pool.pending(now)
    const mixes = !this.#init.config.without.includes('affinity')
    const isFirst = mixes && now - this.#beganAt < SETTLE_MS
    const wanted = isFirst ? firstDialled : maxDialled
    const room = Math.min(maxPendingDials - pending, wanted - this.#useful(now) - pending)
    this.#emitDials(room, isFirst || !mixes ? 'trust' : 'affinity', now)
    if (!mixes || room > 0 || pending > 0 || now - this.#turnedAt < turnoverMs) return
    this.#turnedAt = now
    if (isStarved) this.#emitDials(1, 'affinity', now)
    else if (this.#pool.bestAffinity(now) > (this.#leastPreferred()?.affinity ?? Number.POSITIVE_INFINITY)) {
      this.#emitDials(1, 'affinity', now)
    }
  }

  /** Sessions that count: beside those of no use others are dialled, as many again at most. */
  #useful(now: number): number {
    let useless = 0
    for (const session of this.sessions.values()) if (isUseless(session, now, UNTRIED_MS)) useless += 1
    return this.sessions.size - Math.min(useless, this.#init.config.maxDialled)
  }

  #leaveLeastPreferred(newcomer: Session, now: number): void {
    const least = this.#leastPreferred()
    if (
      least === undefined ||
      least.session === newcomer ||
      this.#hasAlone(least.session, newcomer) ||
      least.affinity >= affinity(this.#init.selfId, newcomer.peerId)
    )
      return
    if (least.session.requests.size === 0 && least.session.uploads.size === 0) {
      this.end(least.session, 'full', 'other peers are preferred', now)
    }
  }

  /** Whether the session has something that we lack, and no other has anything; of the newcomer that is not known yet. */
  #hasAlone(session: Session, newcomer: Session): boolean {
    if (session.lacked === 0) return false
    for (const other of this.sessions.values()) {
      if (other !== session && other !== newcomer && other.lacked > 0) return false
    }
    return true
  }

  #emitDials(count: number, order: 'trust' | 'affinity', now: number): void {
    for (const peer of this.#pool.takeDials(count, now, order)) this.#init.emit({ type: 'dial', peer })
  }

  /** Among those that we dialled. */
  #leastPreferred(): { session: Session; affinity: number } | undefined {
    let least: { session: Session; affinity: number } | undefined
    for (const session of this.sessions.values()) {
      if (!session.outbound) continue
      const value = affinity(this.#init.selfId, session.peerId)
      if (least === undefined || value < least.affinity) least = { session, affinity: value }
    }
    return least
  }

  /** Tells the session of the others, when that is due. */
  exchange(session: Session, now: number): void {
    if (!session.greeted || !this.#pex.isDue(session.id, this.sessions.size, now)) return
    const others: PexPeer[] = []
    for (const other of this.sessions.values()) {
      if (!other.greeted || other.peerId === session.peerId) continue
      others.push({ id: other.peerId, addrs: this.#pool.addrsOf(other.peerId), seeder: other.isSeeder })
    }
    const message = this.#pex.due(session.id, others, now)
    if (message !== undefined) this.#init.emit({ type: 'send', session: session.id, message })
  }

  /**
   * Ends the session where it is of no use: a silent one, be it from the start, or that of two seeders.
   * @param haveAll we hold every piece
   */
  checkLife(session: Session, haveAll: boolean, now: number): void {
    if (!session.greeted) {
      if (now - session.openedAt >= HELLO_MS) this.end(session, 'idle', 'no hello', now)
      return
    }
    const { livenessMs, idleMs } = this.#init.config
    const interest = session.amInterested || session.peerInterested
    if (interest) session.lastInterestAt = now
    if (interest && now - session.lastHeardAt >= livenessMs) {
      this.end(session, 'idle', 'nothing was heard of this peer', now)
    } else if (haveAll && session.isSeeder && now - session.lastInterestAt >= idleMs) {
      this.end(session, 'idle', 'both sides have everything', now)
    }
  }

  /** Both ends come to the same result: the session stays that the peer with the lesser ID opened; else the newer one. */
  #loserOf(older: Session, newer: Session): Session {
    const opener = (session: Session) => (session.outbound ? this.#init.selfId : session.peerId)
    if (opener(older) === opener(newer)) return older
    return opener(older) < opener(newer) ? newer : older
  }
}

/** No payload came or went since it began, and that is so long ago. */
function isUseless({ openedAt, downBytes, upBytes }: Session, now: number, ms: number): boolean {
  return downBytes === 0 && upBytes === 0 && now - openedAt >= ms
}

/** How long a peer is not dialled after a session ended so. */
function waitAfter(code: GoodbyeCode): number {
  switch (code) {
    case 'duplicate':
      return 5 * SECOND_MS
    // a node that is restarted is back in a moment; one that is not costs a refused dial, with the usual back-off
    case 'stopping':
      return 3 * SECOND_MS
    case 'notFound':
    case 'other':
      return 30 * SECOND_MS
    case 'full':
      return MINUTE_MS
    case 'idle':
    case 'protocol':
    case 'limit':
    case 'badData':
      return 10 * MINUTE_MS
  }
}
