/**
 * When each record is announced next. Pure: time and randomness come in, nothing is done here. Times are wall-clock
 * milliseconds, because the schedule outlives the process.
 *
 * Every CID is in exactly one state: waiting (due at a time) or running.
 */
import type { Random } from '../base/random.ts'

/** Records live 48 h; two missed rounds in a row still leave none expired for long. */
export const REPROVIDE_EVERY_MS = 22 * 3_600_000
/** Taken off the interval at random, so that a thousand roots shared in one minute do not come back in one minute. */
export const JITTER_MS = 3_600_000
/** After a start, what is overdue is spread: so long for each, but no longer than SPREAD_MAX_MS altogether. */
export const SPREAD_EACH_MS = 250
export const SPREAD_MAX_MS = 15 * 60_000
const RETRY_FIRST_MS = 30_000
const RETRY_MAX_MS = 30 * 60_000

interface Entry {
  dueMs: number
  failures: number
  running: boolean
  /** A running one is due again as soon as it has ended. */
  again: boolean
}

export class ReprovideSchedule {
  readonly #entries = new Map<string, Entry>()
  readonly #random: Random

  constructor(random: Random) {
    this.#random = random
  }

  keys(): IterableIterator<string> {
    return this.#entries.keys()
  }

  get size(): number {
    return this.#entries.size
  }

  has(cid: string): boolean {
    return this.#entries.has(cid)
  }

  /** What an earlier process announced, with when (0: never). What lies in the future is a clock that was wrong. */
  restore(announced: ReadonlyMap<string, number>, nowMs: number): void {
    const fresh = (lastMs: number) => lastMs <= nowMs && lastMs + REPROVIDE_EVERY_MS > nowMs
    const overdue = [...announced.values()].filter(lastMs => !fresh(lastMs)).length
    const windowMs = Math.min(overdue * SPREAD_EACH_MS, SPREAD_MAX_MS)
    for (const [cid, lastMs] of announced) {
      if (this.#entries.has(cid)) continue
      const dueMs = fresh(lastMs) ? this.#after(lastMs) : nowMs + Math.floor(this.#random.next() * windowMs)
      this.#entries.set(cid, { dueMs, failures: 0, running: false, again: false })
    }
  }

  /** Due at once, whatever was planned. A running one stays as it is. */
  now(cid: string, nowMs: number): void {
    const entry = this.#entries.get(cid)
    if (entry === undefined) this.#entries.set(cid, { dueMs: nowMs, failures: 0, running: false, again: false })
    else if (!entry.running) {
      entry.dueMs = nowMs
      entry.failures = 0
    }
  }

  /** Everything is due at once; what is running once more when it has ended, as it began with what no longer holds. */
  allNow(nowMs: number): void {
    for (const [cid, entry] of this.#entries) {
      entry.again = entry.running
      this.now(cid, nowMs)
    }
  }

  /** Due before its turn; but not one that is running, or that waits because it failed. @returns whether it is due now */
  early(cid: string, nowMs: number): boolean {
    const entry = this.#entries.get(cid)
    if (entry === undefined || entry.running || entry.failures > 0) return false
    entry.dueMs = Math.min(entry.dueMs, nowMs)
    return true
  }

  remove(cid: string): void {
    this.#entries.delete(cid)
  }

  /** The most overdue, now running; undefined when none is due. */
  take(nowMs: number): string | undefined {
    let best: [string, Entry] | undefined
    for (const candidate of this.#entries) {
      const [, entry] = candidate
      if (!entry.running && entry.dueMs <= nowMs && (best === undefined || entry.dueMs < best[1].dueMs)) {
        best = candidate
      }
    }
    if (best === undefined) return undefined
    best[1].running = true
    return best[0]
  }

  /** @returns whether that is enough until its next turn; otherwise it is due again at once */
  succeeded(cid: string, nowMs: number): boolean {
    const entry = this.#entries.get(cid)
    if (entry === undefined) return true
    const isEnough = !entry.again
    entry.running = false
    entry.again = false
    entry.failures = 0
    entry.dueMs = isEnough ? this.#after(nowMs) : nowMs
    return isEnough
  }

  failed(cid: string, nowMs: number): void {
    const entry = this.#entries.get(cid)
    if (entry === undefined) return
    entry.running = false
    entry.again = false
    const waitMs = Math.min(RETRY_FIRST_MS * 2 ** entry.failures, RETRY_MAX_MS)
    entry.failures = Math.min(entry.failures + 1, 16)
    entry.dueMs = nowMs + waitMs * (0.75 + this.#random.next() / 2)
  }

  /** When the next one is due, or null when none waits. */
  nextMs(): number | null {
    let next: number | null = null
    for (const { dueMs, running } of this.#entries.values()) {
      if (!running && (next === null || dueMs < next)) next = dueMs
    }
    return next
  }

  #after(lastMs: number): number {
    return lastMs + REPROVIDE_EVERY_MS - Math.floor(this.#random.next() * JITTER_MS)
  }
}
