/** The limits of one root, up and down, below those of its node. */
import type { RateLimiter } from './rate-limiter.ts'
import type { RootLimiter } from './root-limiter.ts'

/** Bytes a second; absent: none. */
export interface Rates {
  readonly up?: number | undefined
  readonly down?: number | undefined
}

export class RootLimits {
  readonly up: RootLimiter
  readonly down: RootLimiter

  constructor(node: { readonly up: RateLimiter; readonly down: RateLimiter }, rates: Rates) {
    this.up = node.up.root(rates.up)
    this.down = node.down.root(rates.down)
  }

  /** Both anew, at once. */
  set({ up, down }: Rates): void {
    this.up.setRate(up)
    this.down.setRate(down)
  }

  /** The session is over. */
  drop(session: number): void {
    this.up.drop(session)
    this.down.drop(session)
  }

  stop(): void {
    this.up.stop()
    this.down.stop()
  }
}
