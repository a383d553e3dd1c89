/**
 * What one session may have us do by its messages alone. Each costs what it takes to carry it out, told in units of some
 * microseconds; payload, and nodes that were asked for, cost nothing here, as they pay for themselves. Who has used up
 * its budget floods, and its session ends with `limit`.
 *
 * An honest peer at 400 MB/s and pieces of 1 MiB sends some 3,000 messages a second, of 10 units each at most. Those that
 * go with payload grow with it, however fast it is, so that payload adds to the budget.
 */

import { TokenBucket } from '../../base/token-bucket.ts'
import { KIB } from '../../base/units.ts'
import type { Message, Run } from '../protocol/messages.ts'

/** Units a second. */
export const MESSAGE_UNITS_PER_SEC = 50_000
/** After a pause: a swarm of large roots says much at once. */
export const MESSAGE_BURST_UNITS = 100_000
/**
 * At the beginning of a session: two bitfields of the largest root. Who floods comes again under another name, so that
 * this is what each second of it costs.
 */
export const MESSAGE_START_UNITS = 50_000

/**
 * For each byte of payload, either way: a block of 256 KiB is asked for, arrives and is held, or was offered, and may be
 * dozens of small pieces. To send it, or take it in, costs us far more.
 */
export const UNITS_PER_BYTE = 64 / (256 * KIB)

const MESSAGE_UNITS = 10
/** Each makes us look at every session, or choose anew. */
const CHANGE_UNITS = 500
/** Pieces and runs that a message names. */
const PIECE_UNITS = 0.25
const RUN_UNITS = 0.5
/** Of a bitfield: every piece is counted anew. */
const BYTE_UNITS = 2
/** A peer that is told of may be dialled. */
const PEER_UNITS = 100
/** Of one message at the most: what a bitfield of millions of pieces costs is bounded by how often it may come. */
const MAX_EXTRA_UNITS = 25_000
/** Decoding and hashing of a DAG node that nobody asked for. */
const NODE_UNITS = 5

export class MessageBudget {
  readonly #bucket: TokenBucket

  constructor(now: number) {
    this.#bucket = new TokenBucket(now, MESSAGE_UNITS_PER_SEC, MESSAGE_BURST_UNITS)
    this.#bucket.take(now, MESSAGE_BURST_UNITS - MESSAGE_START_UNITS)
  }

  /** False: it has said too much. @param pieceCount 0 while it is not known */
  take(message: Message, pieceCount: number, now: number): boolean {
    return this.#bucket.take(now, unitsOf(message, pieceCount))
  }

  /** So much payload came or went. */
  moved(bytes: number, now: number): void {
    this.#bucket.giveBack(now, bytes * UNITS_PER_BYTE)
  }
}

export function unitsOf(message: Message, pieceCount: number): number {
  return MESSAGE_UNITS + Math.min(MAX_EXTRA_UNITS, extraOf(message, pieceCount))
}

function extraOf(message: Message, pieceCount: number): number {
  switch (message.type) {
    case 'hello':
    case 'haveBitfield':
      return message.have.kind === 'none' ? 0 : BYTE_UNITS * Math.ceil(pieceCount / 8)
    case 'have':
      return runUnits(message.runs) + PIECE_UNITS * message.coming.length
    case 'lost':
      return runUnits(message.runs)
    case 'want':
      return CHANGE_UNITS + runUnits(message.urgent) + runUnits(message.ahead)
    case 'interested':
    case 'notInterested':
    case 'choke':
    case 'unchoke':
      return CHANGE_UNITS
    case 'offer':
    case 'suggest':
    case 'decline':
    case 'arriving':
      return PIECE_UNITS * message.pieces.length
    case 'pex':
      return CHANGE_UNITS + PEER_UNITS * (message.added.length + message.dropped.length)
    case 'nodes':
      return NODE_UNITS * message.blocks.length
    case 'request':
    case 'cancel':
    case 'reject':
    case 'nodeRequest':
    case 'goodbye':
      return 0
  }
}

function runUnits(runs: readonly Run[]): number {
  return runs.reduce((sum, { count }) => sum + RUN_UNITS + PIECE_UNITS * count, 0)
}
