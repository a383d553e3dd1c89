/** Time as the adapters see it. The pure core takes `now` as an argument instead. */
export interface Clock {
  /** Milliseconds on a monotonic clock, for durations. */
  now(): number
  /** Milliseconds since 1970, for what is written to disk. */
  wallMs(): number
}

export const systemClock: Clock = {
  now: () => performance.now(),
  wallMs: () => Date.now()
}
