/**
 * How far each peer is believed that tells of others. Whoever is told of is dialled, and may be a victim that has nothing
 * to do with the swarm: so a peer may send us on a few errands in vain, and then on one more a minute. A dial that
 * succeeds restores its credit.
 *
 * Invariant: 0 ≤ credit ≤ MAX_VAIN_DIALS.
 */
import { MINUTE_MS } from '../../base/units.ts'

/** Dials in vain that one peer may cause at once by what it tells. */
export const MAX_VAIN_DIALS = 8
/** One more is granted after so long. */
export const VAIN_DIAL_MS = MINUTE_MS
/** Peers whose credit is remembered: a new session brings no new credit. */
const MAX_TELLERS = 1000

interface Credit {
  left: number
  at: number
}

export class Hearsay {
  readonly #credits = new Map<string, Credit>()

  /** Whether one told of by the peer may be dialled. */
  isBelieved(teller: string, now: number): boolean {
    return this.#left(teller, now) >= 1
  }

  /** A dial begins: until it succeeds it counts as in vain. */
  dialled(teller: string, now: number): void {
    this.#set(teller, Math.max(0, this.#left(teller, now) - 1), now)
  }

  succeeded(teller: string, now: number): void {
    if (this.#credits.has(teller)) this.#set(teller, MAX_VAIN_DIALS, now)
  }

  #left(teller: string, now: number): number {
    const credit = this.#credits.get(teller)
    if (credit === undefined) return MAX_VAIN_DIALS
    return Math.min(MAX_VAIN_DIALS, credit.left + (now - credit.at) / VAIN_DIAL_MS)
  }

  #set(teller: string, left: number, now: number): void {
    this.#credits.delete(teller)
    this.#credits.set(teller, { left, at: now })
    for (const oldest of this.#credits.keys()) {
      if (this.#credits.size <= MAX_TELLERS) return
      this.#credits.delete(oldest)
    }
  }
}
