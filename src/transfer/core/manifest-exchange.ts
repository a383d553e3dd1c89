/**
 * Fetching the manifest: its DAG nodes in the order of their numbers, from one peer at a time. The first few are asked of
 * two, as nobody is known yet, and a wait for one that is silent would be a large part of a short fetch: who answers
 * first is asked for the rest. Later another is asked when one has given nothing for 150 ms, longer each time, says it
 * has none, or leaves. What a slow one sends later is taken all the same.
 */
import { SECOND_MS } from '../../base/units.ts'
import { MAX_NODES, MAX_NODES_PER_REQUEST } from '../protocol/limits.ts'
import type { SessionId } from './swarm-io.ts'

/** How long a peer that did not answer is left alone. */
const COOL_MS = 30 * SECOND_MS
/**
 * How long the first answer of a peer is waited for while others could be asked; twice as long whenever anybody let us
 * wait in vain. So who is silent costs little, and where all are far away few are asked for the same.
 */
const FIRST_TIMEOUT_MS = 150
/** Whoever else let us wait doubles it so often at most: many that are silent must not make it long. */
const MAX_SHARED_DOUBLINGS = 2
/** Nodes that are asked of two peers at the beginning: the whole manifest of a file of 2.7 GiB, some 200 KiB. */
const HEDGED_NODES = 16

export interface NodeRequest {
  readonly session: SessionId
  readonly first: number
  readonly count: number
}

export class ManifestExchange {
  readonly #timeoutMs: number
  readonly #coolUntil = new Map<SessionId, number>()
  /** How often each did not answer. */
  readonly #failures = new Map<SessionId, number>()
  /** How often anybody did not answer in time. */
  #waitedInVain = 0
  #known = 0
  #asked: NodeRequest | undefined
  /** The second that was asked for the first nodes: once. */
  #second: SessionId | undefined
  #lastProgressAt = 0

  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs
  }

  /** Nodes known so far. */
  get known(): number {
    return this.#known
  }

  /**
   * What to ask now, or undefined: enough is asked for, or nobody is there to ask.
   * @param holders sessions that say they hold the manifest, in the order in which to try them
   */
  next(holders: readonly SessionId[], now: number): NodeRequest | undefined {
    const asked = this.#asked
    if (asked !== undefined) {
      const answered = this.#known >= asked.first + asked.count
      const isLate = now - this.#lastProgressAt >= this.#timeoutOf(asked.session, holders, now)
      if (!answered && !isLate && holders.includes(asked.session)) return undefined
      if (!answered) this.failed(asked.session, now)
      if (!answered && isLate) this.#waitedInVain += 1
    }
    const session =
      asked !== undefined && this.#isReady(asked.session, now) && holders.includes(asked.session)
        ? asked.session
        : this.#best(holders, now)
    this.#asked = undefined
    if (session === undefined || this.#known >= MAX_NODES) return undefined
    if (this.#second === session) this.#second = undefined
    const most = this.#known === 0 ? HEDGED_NODES : MAX_NODES_PER_REQUEST
    this.#asked = { session, first: this.#known, count: Math.min(most, MAX_NODES - this.#known) }
    this.#lastProgressAt = now
    return this.#asked
  }

  /** What to ask of a second peer, besides what `next` said: while nobody gave anything. */
  second(holders: readonly SessionId[], now: number): NodeRequest | undefined {
    if (this.#known > 0 || this.#asked === undefined || this.#second !== undefined) return undefined
    const first = this.#asked.session
    const session = this.#best(
      holders.filter(holder => holder !== first),
      now
    )
    if (session === undefined) return undefined
    this.#second = session
    return { session, first: 0, count: HEDGED_NODES }
  }

  /** Nodes were accepted. @param known how many are known now */
  accepted(session: SessionId, known: number, now: number): void {
    this.#coolUntil.delete(session)
    this.#failures.delete(session)
    if (known <= this.#known) return
    if (this.#known === 0 && session === this.#second) this.#asked = { session, first: 0, count: HEDGED_NODES }
    this.#known = known
    this.#lastProgressAt = now
  }

  /** The peer sent the end of what it has, `total` nodes: if more are needed, it cannot give them. */
  ended(session: SessionId, now: number): void {
    if (this.#asked?.session === session) this.failed(session, now)
  }

  /** The peer has no answer. */
  failed(session: SessionId, now: number): void {
    this.#coolUntil.set(session, now + COOL_MS)
    this.#failures.set(session, this.#failuresOf(session) + 1)
    this.#leave(session)
  }

  gone(session: SessionId): void {
    this.#coolUntil.delete(session)
    this.#failures.delete(session)
    this.#leave(session)
  }

  /** It is waited for no longer. */
  #leave(session: SessionId): void {
    if (this.#asked?.session === session) this.#asked = undefined
    if (this.#second === session) this.#second = undefined
  }

  #failuresOf(session: SessionId): number {
    return this.#failures.get(session) ?? 0
  }

  #timeoutOf(session: SessionId, holders: readonly SessionId[], now: number): number {
    if (!holders.some(other => other !== session && this.#isReady(other, now))) return this.#timeoutMs
    const inVain = Math.max(Math.min(MAX_SHARED_DOUBLINGS, this.#waitedInVain), this.#failuresOf(session))
    return Math.min(this.#timeoutMs, FIRST_TIMEOUT_MS * 2 ** inVain)
  }

  /** The first of those that failed us least. */
  #best(holders: readonly SessionId[], now: number): SessionId | undefined {
    let best: SessionId | undefined
    for (const holder of holders) {
      if (!this.#isReady(holder, now)) continue
      if (best === undefined || this.#failuresOf(holder) < this.#failuresOf(best)) best = holder
    }
    return best
  }

  #isReady(session: SessionId, now: number): boolean {
    return now >= (this.#coolUntil.get(session) ?? 0)
  }
}
