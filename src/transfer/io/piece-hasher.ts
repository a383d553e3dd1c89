/** Hashes pieces on another thread when they come faster than this one should spend its time on. */
import type { Clock } from '../../base/clock.ts'
import { TokenBucket } from '../../base/token-bucket.ts'
import { KIB, MIB } from '../../base/units.ts'
import type { PieceMap } from '../../content/piece-map.ts'
import type { Block } from './incoming-blocks.ts'
import type { SideHasher } from './seams.ts'

/**
 * What is hashed here in a second, 20 ms of a core: a node on a usual line starts no thread for it. Beyond that, to move
 * a piece of 1 MiB there and back costs some 30 µs, and to hash it 600.
 */
export const HASHED_HERE_BYTES_PER_SEC = 32 * MIB
/** To move less does not pay. */
const MIN_ASIDE_BYTES = 128 * KIB

export interface CheckedAside {
  readonly isRight: boolean
  /** In place of those that were given: their memory has moved. */
  readonly blocks: readonly Block[]
}

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
   * Whether the blocks are piece `index`, all of it and nothing else. Undefined, with nothing done, where it is better
   * hashed here. The blocks that were given must not be used any more otherwise.
   * @throws (the promise) what the thread failed with: the bytes are lost then
   */
  aside(pieces: PieceMap, index: number, blocks: readonly Block[]): Promise<CheckedAside> | undefined {
    const bytes = pieces.wireSize(index)
    const buffers = blocks.flatMap(({ buffer }) => (ownsItsMemory(buffer) ? [buffer] : []))
    if (this.#side === undefined || bytes < MIN_ASIDE_BYTES || buffers.length < blocks.length) return undefined
    if (this.#here.take(this.#clock.now(), bytes)) return undefined
    return this.#side
      .sha256(
        buffers,
        blocks.map(({ length }) => length)
      )
      .then(({ digest, buffers: returned }) => ({
        isRight: Buffer.compare(digest, pieces.digest(index)) === 0,
        blocks: blocks.map((block, i) => ({ ...block, buffer: returned[i] ?? block.buffer }))
      }))
  }
}

function ownsItsMemory(buffer: Uint8Array): buffer is Uint8Array<ArrayBuffer> {
  return buffer.buffer instanceof ArrayBuffer && buffer.byteLength === buffer.buffer.byteLength
}
