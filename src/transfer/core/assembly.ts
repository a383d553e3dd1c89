/**
 * What is fetched and verified together: one large piece, in blocks, or a run of small ones, in one block. Blocks tile it
 * exactly, and an assembly keeps its blocks until it is verified or dissolved, so that the runner can put them together
 * by their offsets.
 */
import type { PieceMap } from '../../content/piece-map.ts'
import { MAX_REQUEST_BYTES } from '../protocol/limits.ts'
import { BLOCK_BYTES, BLOCK_SLACK_BYTES } from './config.ts'
import type { SessionId } from './swarm-io.ts'

export interface Block {
  readonly assembly: Assembly
  /** Range of the piece space. */
  readonly offset: number
  readonly length: number
  /** Sessions that were asked for it and have not given it. */
  readonly asked: SessionId[]
  /** The peer that gave it first; undefined while it is not there. */
  givenBy: string | undefined
}

export interface Assembly {
  readonly first: number
  readonly count: number
  /** Of a piece that failed: only the owner is asked. */
  readonly solo: boolean
  readonly blocks: Block[]
  /** Blocks that are neither there nor asked for. */
  open: number
  /** Blocks that are not there. */
  missing: number
  /** The session that goes on with the open blocks before any other does. */
  owner: SessionId | undefined
  /** Who was asked is slow, but gives: one more that offers it may be asked for the same blocks, as in an endgame. */
  helped: boolean
}

function isSmall(pieces: PieceMap, piece: number): boolean {
  return pieces.wireSize(piece) <= BLOCK_BYTES + BLOCK_SLACK_BYTES
}

/** How many pieces from `first` on, none at or past `most`, make one request with it; at least 1. */
export function runForward(
  pieces: PieceMap,
  run: { first: number; most: number },
  accepts: (piece: number) => boolean
): number {
  const { first, most } = run
  const limit = pieces.offset(first) + BLOCK_BYTES
  let end = first + 1
  while (end < most && pieces.offset(end + 1) <= limit && accepts(end)) end += 1
  return end - first
}

/** The piece, and where it is small those around it that can come with the same request. */
export function runAround(
  pieces: PieceMap,
  piece: number,
  accepts: (piece: number) => boolean
): { first: number; count: number } {
  const end = piece + runForward(pieces, { first: piece, most: pieces.count }, accepts)
  let first = piece
  if (isSmall(pieces, piece)) {
    const limit = pieces.offset(end) - BLOCK_BYTES
    while (first > 0 && pieces.offset(first - 1) >= limit && accepts(first - 1)) first -= 1
  }
  return { first, count: end - first }
}

/** One piece of any size, or a run of small ones. */
export function assemble(pieces: PieceMap, first: number, count: number, owner: SessionId, solo: boolean): Assembly {
  const blocks: Block[] = []
  const assembly: Assembly = { first, count, solo, blocks, open: 0, missing: 0, owner, helped: false }
  const end = pieces.offset(first + count)
  const size = solo ? MAX_REQUEST_BYTES : BLOCK_BYTES
  const slack = solo ? 0 : BLOCK_SLACK_BYTES
  for (let offset = pieces.offset(first); offset < end; ) {
    const length = end - offset <= size + slack ? end - offset : size
    blocks.push({ assembly, offset, length, asked: [], givenBy: undefined })
    offset += length
  }
  assembly.open = blocks.length
  assembly.missing = blocks.length
  return assembly
}

export function isOpen(block: Block): boolean {
  return block.givenBy === undefined && block.asked.length === 0
}

/** The block to ask one more for: the last, as who is slow gives the first ones first. */
export function helpable({ blocks, helped }: Assembly, session: SessionId): Block | undefined {
  if (!helped) return undefined
  return blocks.findLast(
    ({ givenBy, asked }) => givenBy === undefined && asked.length === 1 && !asked.includes(session)
  )
}

/** Distinct peers that gave a block, in the order of the blocks. */
export function giversOf(assembly: Assembly): string[] {
  const givers = new Set<string>()
  for (const block of assembly.blocks) if (block.givenBy !== undefined) givers.add(block.givenBy)
  return [...givers]
}
