/**
 * Peers whose sessions ended because they broke a rule. Once may be a mistake, and ends a session; who does it again and
 * again is banned, as each new session would have a budget of its own. An offence is forgotten after a while.
 */
import { RecentMap } from '../../base/recent-map.ts'
import { MINUTE_MS } from '../../base/units.ts'

/** Sessions of one peer that may end so within the memory; the next is a ban. */
export const MAX_OFFENCES = 4
export const OFFENCE_MEMORY_MS = 10 * MINUTE_MS
/** Peers whose offences are remembered; of more the oldest are forgotten. */
const MAX_OFFENDERS = 1000

export class Offences {
  readonly #at = new RecentMap<string, number[]>(MAX_OFFENDERS)

  /** Returns whether that was once too often; then all its offences are forgotten. */
  add(peerId: string, now: number): boolean {
    const recent = (this.#at.get(peerId) ?? []).filter(at => now - at < OFFENCE_MEMORY_MS)
    recent.push(now)
    this.#at.delete(peerId)
    if (recent.length > MAX_OFFENCES) return true
    this.#at.set(peerId, recent)
    return false
  }
}
