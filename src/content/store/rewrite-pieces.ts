/**
 * What is done with pieces of a file whose fdatasync failed. The system may have marked their pages clean although they
 * never reached the disk; a second fdatasync then succeeds and proves nothing (Rebello et al., "Can Applications
 * Recover from fsync Failures?", USENIX ATC 2020). So they are written again, from what still matches.
 */
import type { Manifest } from '../manifest.ts'
import { eachLimited } from './limit.ts'
import type { PieceReader } from './piece-reader.ts'
import type { PieceWriter } from './piece-writer.ts'

const HASHES_AT_ONCE = 4

/** @returns pieces that match nowhere any more; `onLost` hears of them */
export async function rewritePieces(
  { manifest, reader, writer }: { manifest: Manifest; reader: PieceReader; writer: PieceWriter },
  pieces: readonly number[],
  onLost: (pieces: readonly number[]) => void
): Promise<number[]> {
  const lost: number[] = []
  await eachLimited(pieces, HASHES_AT_ONCE, async piece => {
    const block = await reader.readVerified(piece)
    if (block === undefined) return void lost.push(piece)
    const data = await reader.dataOf(piece, block)
    for (const { entry, fileOffset } of manifest.spansOf(piece)) await writer.writeData(entry, fileOffset, data)
  })
  if (lost.length > 0) onLost(lost)
  return lost
}
