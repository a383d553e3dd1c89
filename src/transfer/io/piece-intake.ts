/** From blocks that arrived to pieces that are held: hash, write, report. */
import { ShoalError } from '../../base/errors.ts'
import type { DownloadGate } from './download-gate.ts'
import type { Block, IncomingBlocks } from './incoming-blocks.ts'
import { matchesPiece, sliceBlocks } from './piece-check.ts'
import type { PieceStorage } from './seams.ts'

export interface Intake {
  readonly storage: PieceStorage
  readonly blocks: IncomingBlocks
  readonly gate: DownloadGate
  /** All blocks of pieces first … first + count - 1 have arrived. */
  readonly first: number
  readonly count: number
}

export type IntakeResult =
  | { readonly type: 'verified'; readonly piece: number; readonly from: ReadonlySet<string> }
  | { readonly type: 'false'; readonly piece: number }
  | { readonly type: 'unwritten'; readonly piece: number; readonly error: Error }

/**
 * Hashes each piece and writes runs of good ones together; false pieces are reported at once, the others when they
 * are written. Never rejects.
 */
export async function takePieces(intake: Intake, report: (result: IntakeResult) => void): Promise<void> {
  const { storage, first, count } = intake
  const { pieces } = storage
  const start = pieces.offset(first)
  const end = first + count
  const blocks = intake.blocks.takeRange(start, pieces.offset(end))
  if (blocks === undefined) {
    const error = new ShoalError('ERR_BUG', `blocks of pieces ${first} to ${end - 1} are missing`)
    for (let piece = first; piece < end; piece++) report({ type: 'unwritten', piece, error })
    return
  }
  const slices = (from: number, to: number) =>
    sliceBlocks(blocks, pieces.offset(from) - start, pieces.offset(to) - start)
  const runs: Array<Promise<void>> = []
  let runStart = first
  const endRun = (at: number) => {
    if (at > runStart) runs.push(writeRun(intake, runStart, at, slices(runStart, at), givers(blocks), report))
    runStart = at + 1
  }
  for (let piece = first; piece < end; piece++) {
    if (matchesPiece(pieces, piece, slices(piece, piece + 1))) continue
    endRun(piece)
    report({ type: 'false', piece })
  }
  endRun(end)
  await Promise.all(runs)
  intake.blocks.release(blocks)
}

function givers(blocks: readonly Block[]): ReadonlySet<string> {
  return new Set(blocks.map(block => block.from))
}

async function writeRun(
  { storage, gate }: Intake,
  first: number,
  end: number,
  buffers: Uint8Array[],
  from: ReadonlySet<string>,
  report: (result: IntakeResult) => void
): Promise<void> {
  const bytes = buffers.reduce((sum, buffer) => sum + buffer.byteLength, 0)
  gate.writeBegan(bytes)
  try {
    await storage.write(first, end - first, buffers)
    for (let piece = first; piece < end; piece++) report({ type: 'verified', piece, from })
  } catch (err) {
    const error = err instanceof Error ? err : new ShoalError('ERR_BUG', String(err))
    for (let piece = first; piece < end; piece++) report({ type: 'unwritten', piece, error })
  } finally {
    gate.writeEnded(bytes)
  }
}
