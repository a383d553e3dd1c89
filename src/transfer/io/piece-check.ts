/** Hashes whole pieces that lie in one or several buffers. */

import { sha256 } from '../../base/sha256.ts'
import type { PieceMap } from '../../content/piece-map.ts'
import type { Block } from './incoming-blocks.ts'

/** The bytes [from, to) of the blocks' concatenation, as views. */
export function sliceBlocks(blocks: readonly Block[], from: number, to: number): Uint8Array[] {
  const slices: Uint8Array[] = []
  let at = 0
  for (const block of blocks) {
    const start = Math.max(from, at)
    const end = Math.min(to, at + block.length)
    if (start < end) slices.push(block.buffer.subarray(start - at, end - at))
    at += block.length
    if (at >= to) break
  }
  return slices
}

/** Whether the buffers' concatenation is piece `index`. */
export function matchesPiece(pieces: PieceMap, index: number, buffers: readonly Uint8Array[]): boolean {
  return pieces.hasDigest(index, sha256(buffers))
}
