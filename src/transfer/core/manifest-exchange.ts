/**
 * Fetching the manifest: its DAG nodes in the order of their numbers, from one peer at a time, so that a false node shows
 * who sent it. Another peer is asked when one has given nothing for 10 s, says it has none, or leaves.
 */
import { SECOND_MS } from '../../base/units.ts'
import { MAX_NODES, MAX_NODES_PER_REQUEST } from '../protocol/limits.ts'
import type { SessionId } from './swarm-io.ts'

/** How long a peer that did not answer is left alone. */
const COOL_MS = 30 * SECOND_MS

export interface NodeRequest {
  readonly session: SessionId
  readonly first: number
  readonly count: number
}

export class ManifestExchange {
  readonly #timeoutMs: number
  readonly #coolUntil = new Map<SessionId, number>()
  #known = 0
  #asked: NodeRequest | undefined
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
      if (!answered && now - this.#lastProgressAt < this.#timeoutMs && holders.includes(asked.session)) return undefined
      if (!answered) this.failed(asked.session, now)
    }
    const session =
      asked !== undefined && this.#isReady(asked.session, now) && holders.includes(asked.session)
        ? asked.session
        : holders.find(holder => this.#isReady(holder, now))
    this.#asked = undefined
    if (session === undefined || this.#known >= MAX_NODES) return undefined
    this.#asked = { session, first: this.#known, count: Math.min(MAX_NODES_PER_REQUEST, MAX_NODES - this.#known) }
    this.#lastProgressAt = now
    return this.#asked
  }

  /** Nodes were accepted. @param known how many are known now */
  accepted(known: number, now: number): void {
    if (known <= this.#known) return
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
    if (this.#asked?.session === session) this.#asked = undefined
  }

  gone(session: SessionId): void {
    this.#coolUntil.delete(session)
    if (this.#asked?.session === session) this.#asked = undefined
  }

  #isReady(session: SessionId, now: number): boolean {
    return now >= (this.#coolUntil.get(session) ?? 0)
  }
}
