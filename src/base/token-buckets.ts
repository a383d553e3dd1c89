/** One token bucket a name, for what strangers may do: of names that did nothing for long the buckets are full anyway. */
import { RecentMap } from './recent-map.ts'
import { TokenBucket } from './token-bucket.ts'

/** Names that are remembered; the one that was used longest ago is forgotten. */
const MAX_NAMES = 4096

export class TokenBuckets {
  readonly #perSec: number
  readonly #burst: number
  readonly #buckets = new RecentMap<string, TokenBucket>(MAX_NAMES)

  constructor(perSec: number, burst: number) {
    this.#perSec = perSec
    this.#burst = burst
  }

  of(name: string, now: number): TokenBucket {
    const bucket = this.#buckets.get(name) ?? new TokenBucket(now, this.#perSec, this.#burst)
    this.#buckets.set(name, bucket)
    return bucket
  }
}
