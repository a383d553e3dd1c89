/**
 * What is placed with one peer at a time: one large piece, or a run of small ones.
 *
 * Its life: offered, asked for, started (handed to the uploader), arriving (all but the last block has come), and gone
 * from the books when the peer has every piece of it.
 */
import { KIB } from '../../base/units.ts'
import type { PieceMap } from '../../content/piece-map.ts'
import { BLOCK_BYTES } from './config.ts'
import type { SessionId } from './swarm-io.ts'

/** Small pieces are placed together where they begin in the same so many bytes of the piece space. */
export const BATCH_BYTES = 256 * KIB

export interface Batch {
  readonly session: SessionId
  /** Pieces that the peer does not have yet, with their bytes. */
  readonly left: Map<number, number>
  leftBytes: number
  readonly offeredAt: number
  askedAt: number | undefined
  startedAt: number | undefined
  /** When it started, or the last of its requests was handed to the stream. */
  movedAt: number | undefined
  /** When its last byte was handed to the stream. */
  sentAt: number | undefined
  isArriving: boolean
  /** Whether it takes up the uplink's window; not while it is unsure that the peer will take it. */
  isCounted: boolean
  /** It takes longer than it should. */
  isDoubted: boolean
  /** Requests for it that wait for its start. */
  readonly requests: Array<{ readonly id: number; readonly offset: number; readonly length: number }>
}

export function newBatch(session: SessionId, now: number): Batch {
  return {
    session,
    left: new Map(),
    leftBytes: 0,
    offeredAt: now,
    askedAt: undefined,
    startedAt: undefined,
    movedAt: undefined,
    sentAt: undefined,
    isArriving: false,
    isCounted: true,
    isDoubted: false,
    requests: []
  }
}

/** At most so much of an arriving batch has not come. */
export function atMostLeft(batch: Batch): number {
  return batch.isArriving ? Math.min(batch.leftBytes, BLOCK_BYTES) : batch.leftBytes
}

/** Bytes of the largest batch of a root. */
export function largestBatch(pieces: PieceMap): number {
  let largest = Math.min(BATCH_BYTES, Math.max(1, pieces.byteLength))
  for (let piece = 0; piece < pieces.count; piece++) largest = Math.max(largest, pieces.wireSize(piece))
  return largest
}
