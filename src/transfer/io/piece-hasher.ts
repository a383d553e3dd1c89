/** Hashes pieces on another thread when they come faster than this one should spend its time on. */
import type { Clock } from '../../base/clock.ts'
import { isShared } from '../../base/shared-memory.ts'
import { TokenBucket } from '../../base/token-bucket.ts'
import { KIB, MIB } from '../../base/units.ts'
import type { PieceMap } from '../../content/piece-map.ts'
import type { SideHasher } from './seams.ts'

/**
 * What is hashed here in a second, 20 ms of a core: a node on a usual line starts no thread for it. Beyond that, to ask
 * a thread about a piece of 1 MiB costs some 30 µs, and to hash it 600.
 */
export const HASHED_HERE_BYTES_PER_SEC = 32 * MIB
/** To have less hashed there does not pay. */
const MIN_ASIDE_BYTES = 128 * KIB

export class PieceHasher {
  readonly #clock: Clock
  readonly #side: SideHasher | undefined
  readonly #here: TokenBucket

  constructor(clock: Clock, side?: SideHasher) {
    this.#clock = clock
    this.#side = side
    this.#here = new TokenBucket(clock.now(), HASHED_HERE_BYTES_PER_SEC, HASHED_HERE_BYTES_PER_SEC)
  }

  /**
   * Whether the parts are piece `index`, all of it and nothing else. Undefined, with nothing done, where it is better
   * hashed here. The parts must not change until then.
   * @throws (the promise) what the thread failed with
   */
  aside(pieces: PieceMap, index: number, parts: readonly Uint8Array[]): Promise<boolean> | undefined {
    const bytes = pieces.wireSize(index)
    if (this.#side === undefined || bytes < MIN_ASIDE_BYTES || !parts.every(isShared)) return undefined
    if (this.#here.take(this.#clock.now(), bytes)) return undefined
    return this.#side.sha256(parts).then(digest => pieces.hasDigest(index, digest))
  }
}
