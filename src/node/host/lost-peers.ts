/**
 * Which peers that were lost are dialled again, and when. A network that is cut in two heals only when somebody of one
 * half dials somebody of the other; each still has peers enough in its own half and would never look. So whoever served
 * the DHT and was connected is tried again, with a pause that doubles up to half an hour, as long as it is remembered.
 * Others do the same: Kubo dials its peering list every ten minutes at most, Syncthing each device every minute.
 *
 * Pure: time comes in. What it costs others is bounded by {@link GAP_MS}, whatever was lost.
 */
import { RecentMap } from '../../base/recent-map.ts'
import { MINUTE_MS, SECOND_MS } from '../../base/units.ts'

/** Between two dials: four a minute at most. */
export const GAP_MS = 15 * SECOND_MS
/** From the loss to the first try, and after it; then twice as long each time. */
export const FIRST_WAIT_MS = 30 * SECOND_MS
export const LONGEST_WAIT_MS = 30 * MINUTE_MS
/** As many as are remembered on disk; whoever was lost longest ago goes first. */
export const MAX_LOST = 200

interface Lost {
  dueMs: number
  waitMs: number
}

/** Invariant: nobody in `#lost` is connected, as far as was told here. */
export class LostPeers {
  /** Lost longest ago first. */
  readonly #lost = new RecentMap<string, Lost>(MAX_LOST)
  #lastMs = Number.NEGATIVE_INFINITY

  get size(): number {
    return this.#lost.size
  }

  /** Its last connection ended, or it was known to an earlier process and is not connected. */
  lost(id: string, nowMs: number): void {
    if (this.#lost.has(id)) return
    this.#lost.set(id, { dueMs: nowMs + FIRST_WAIT_MS, waitMs: FIRST_WAIT_MS })
  }

  /** It is connected, or nothing is known of it any more. */
  forget(id: string): void {
    this.#lost.delete(id)
  }

  /** All are tried as though they had just been lost: what failed says nothing of the network that there is now. */
  startOver(nowMs: number): void {
    for (const lost of this.#lost.values()) {
      lost.waitMs = FIRST_WAIT_MS
      lost.dueMs = Math.min(lost.dueMs, nowMs + FIRST_WAIT_MS)
    }
  }

  /** Whom to dial now, the one that has waited longest beyond its time; its next turn comes after a longer pause. */
  take(nowMs: number): string | undefined {
    if (nowMs < this.#lastMs + GAP_MS) return undefined
    let best: [string, Lost] | undefined
    for (const candidate of this.#lost) {
      if (candidate[1].dueMs <= nowMs && (best === undefined || candidate[1].dueMs < best[1].dueMs)) best = candidate
    }
    if (best === undefined) return undefined
    const [id, lost] = best
    lost.waitMs = Math.min(lost.waitMs * 2, LONGEST_WAIT_MS)
    lost.dueMs = nowMs + lost.waitMs
    this.#lastMs = nowMs
    return id
  }

  /** How long until somebody may be due, ms; undefined when nobody is lost. */
  waitMs(nowMs: number): number | undefined {
    if (this.#lost.size === 0) return undefined
    const first = Math.min(...[...this.#lost.values()].map(({ dueMs }) => dueMs))
    return Math.max(0, first - nowMs, this.#lastMs + GAP_MS - nowMs)
  }
}
