/** Ranges of shared memory that a disk thread reads or fills where they lie. */
import { isShared } from '../../base/shared-memory.ts'

export interface SharedSpans {
  /** Whole shared buffers, each once. */
  readonly blocks: readonly Uint8Array[]
  /** Of each span three numbers: the index of its block, where in it, and bytes. */
  readonly places: Uint32Array
}

const PLACE_FIELDS = 3

/** @param spans each in shared memory */
export function sharedSpans(spans: readonly Uint8Array[]): SharedSpans {
  const indexOf = new Map<ArrayBufferLike, number>()
  const blocks: Uint8Array[] = []
  const places = new Uint32Array(spans.length * PLACE_FIELDS)
  for (const [at, span] of spans.entries()) {
    if (!isShared(span)) throw new TypeError('a span that is not in shared memory')
    let block = indexOf.get(span.buffer)
    if (block === undefined) {
      block = blocks.push(new Uint8Array(span.buffer)) - 1
      indexOf.set(span.buffer, block)
    }
    places.set([block, span.byteOffset, span.byteLength], at * PLACE_FIELDS)
  }
  return { blocks, places }
}

export function spanAt({ blocks, places }: SharedSpans, index: number): Uint8Array {
  const at = index * PLACE_FIELDS
  const [block = 0, from = 0, length = 0] = places.subarray(at, at + PLACE_FIELDS)
  return blocks[block]?.subarray(from, from + length) ?? new Uint8Array(0)
}
