/**
 * The rate of a count that grows, over the last seconds: what an earlier run had hashed counts at once, and a disk may
 * slow down; neither should be in the estimate for long.
 */
const WINDOW_MS = 5_000
/** Samples closer together are one. */
const APART_MS = 250

interface Sample {
  readonly atMs: number
  readonly count: number
}

/** Invariant: at least one sample; those before the last one that is older than the window are gone. */
export class RecentRate {
  readonly #samples: Sample[]

  /** @param nowMs the count is 0 */
  constructor(nowMs: number) {
    this.#samples = [{ atMs: nowMs, count: 0 }]
  }

  /** A second, from the last seconds to now. @param nowMs never less than before */
  rateAt(nowMs: number, count: number): number {
    const samples = this.#samples
    while (samples.length > 1 && (samples[1]?.atMs ?? nowMs) <= nowMs - WINDOW_MS) samples.shift()
    const since = samples[0] ?? { atMs: nowMs, count }
    if (nowMs - (samples.at(-1)?.atMs ?? 0) >= APART_MS) samples.push({ atMs: nowMs, count })
    return nowMs > since.atMs ? (Math.max(0, count - since.count) / (nowMs - since.atMs)) * 1000 : 0
  }
}
