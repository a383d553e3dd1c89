/** Peers that are refused, node-wide. A ban decays; each repetition within its memory doubles it. */
import { HOUR_MS } from '../../base/units.ts'

export const BAN_MS = HOUR_MS
const MAX_DOUBLINGS = 7
/** How long after its end a ban still counts as a repetition. */
const MEMORY_MS = 24 * HOUR_MS
const MAX_ENTRIES = 10_000

interface Ban {
  until: number
  times: number
}

export class BanList {
  readonly #bans = new Map<string, Ban>()

  /** Returns when it ends. */
  ban(peerId: string, now: number): number {
    const before = this.#bans.get(peerId)
    const times = before === undefined || now > before.until + MEMORY_MS ? 0 : Math.min(before.times + 1, MAX_DOUBLINGS)
    const until = now + BAN_MS * 2 ** times
    this.#bans.delete(peerId)
    this.#bans.set(peerId, { until, times })
    if (this.#bans.size > MAX_ENTRIES) this.#forget(now)
    return until
  }

  isBanned(peerId: string, now: number): boolean {
    const ban = this.#bans.get(peerId)
    return ban !== undefined && now < ban.until
  }

  /** Peers banned now. */
  count(now: number): number {
    let count = 0
    for (const ban of this.#bans.values()) if (now < ban.until) count += 1
    return count
  }

  /** Those that no longer matter, then the oldest. */
  #forget(now: number): void {
    for (const [peerId, ban] of this.#bans) if (now > ban.until + MEMORY_MS) this.#bans.delete(peerId)
    for (const peerId of this.#bans.keys()) {
      if (this.#bans.size <= MAX_ENTRIES) return
      this.#bans.delete(peerId)
    }
  }
}
