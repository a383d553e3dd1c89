/** From blocks that arrived to pieces that are held: hash, write, report. */
import { ShoalError } from '../../base/errors.ts'
import type { DownloadGate } from './download-gate.ts'
import type { Block, IncomingBlocks } from './incoming-blocks.ts'
import { matchesPiece, sliceBlocks } from './piece-check.ts'
import type { PieceHasher } from './piece-hasher.ts'
import type { PieceStorage } from './seams.ts'

export interface Intake {
  readonly storage: PieceStorage
  readonly blocks: IncomingBlocks
  readonly gate: DownloadGate
  readonly hasher: PieceHasher
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
  const { storage, gate, first, count } = intake
  const { pieces } = storage
  const start = pieces.offset(first)
  const end = pieces.offset(first + count)
  const blocks = intake.blocks.takeRange(start, end)
  if (blocks === undefined) {
    const error = new ShoalError('ERR_BUG', `blocks of pieces ${first} to ${first + count - 1} are missing`)
    reportUnwritten(intake, error, report)
    return
  }
  const slices = (piece: number) => slicesOf(intake, blocks, piece, piece + 1)
  const aside = count === 1 ? intake.hasher.aside(pieces, first, slices(first)) : undefined
  if (aside === undefined) {
    await writeRight(intake, blocks, piece => matchesPiece(pieces, piece, slices(piece)), report)
    return
  }
  // what waits for its hash is not written either
  gate.writeBegan(end - start)
  try {
    const isRight = await aside
    const written = writeRight(intake, blocks, () => isRight, report)
    gate.writeEnded(end - start)
    await written
  } catch (err) {
    gate.writeEnded(end - start)
    reportUnwritten(intake, asError(err), report)
  }
}

/** Never rejects. */
async function writeRight(
  intake: Intake,
  blocks: readonly Block[],
  isRight: (piece: number) => boolean,
  report: (result: IntakeResult) => void
): Promise<void> {
  const { first, count } = intake
  const runs: Array<Promise<void>> = []
  let runStart = first
  const endRun = (at: number) => {
    if (at > runStart) {
      runs.push(writeRun(intake, runStart, at, slicesOf(intake, blocks, runStart, at), givers(blocks), report))
    }
    runStart = at + 1
  }
  for (let piece = first; piece < first + count; piece++) {
    if (isRight(piece)) continue
    endRun(piece)
    report({ type: 'false', piece })
  }
  endRun(first + count)
  await Promise.all(runs)
  intake.blocks.release(blocks)
}

/** The bytes of pieces from … to - 1, as views. */
function slicesOf({ storage, first }: Intake, blocks: readonly Block[], from: number, to: number): Uint8Array[] {
  const { pieces } = storage
  const start = pieces.offset(first)
  return sliceBlocks(blocks, pieces.offset(from) - start, pieces.offset(to) - start)
}

function reportUnwritten({ first, count }: Intake, error: Error, report: (result: IntakeResult) => void): void {
  for (let piece = first; piece < first + count; piece++) report({ type: 'unwritten', piece, error })
}

function asError(err: unknown): Error {
  return err instanceof Error ? err : new ShoalError('ERR_BUG', String(err))
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
    const error = asError(err)
    for (let piece = first; piece < end; piece++) report({ type: 'unwritten', piece, error })
  } finally {
    gate.writeEnded(bytes)
  }
}
