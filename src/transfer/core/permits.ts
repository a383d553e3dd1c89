/**
 * What one peer may ask for though it is choked, because it was offered: each byte once, so that one offer is not asked
 * for again and again.
 */
import type { PieceMap } from '../../content/piece-map.ts'
import { MAX_OFFER_PIECES } from '../protocol/limits.ts'

/** Pieces that one peer may have a permit for; of more those offered first are forgotten. */
export const MAX_PERMITTED = 4 * MAX_OFFER_PIECES

export class Permits {
  readonly #pieces: PieceMap
  /** Bytes of each piece that may still be asked for. */
  readonly #left = new Map<number, number>()

  constructor(pieces: PieceMap) {
    this.#pieces = pieces
  }

  grant(piece: number): void {
    this.#left.delete(piece)
    this.#left.set(piece, this.#pieces.wireSize(piece))
    for (const oldest of this.#left.keys()) {
      if (this.#left.size <= MAX_PERMITTED) return
      this.#left.delete(oldest)
    }
  }

  revoke(piece: number): void {
    this.#left.delete(piece)
  }

  /** Whether bytes [start, end) of the piece space may be asked for. */
  allow(start: number, end: number): boolean {
    return this.#parts(start, end).every(([piece, bytes]) => (this.#left.get(piece) ?? 0) >= bytes)
  }

  /** Bytes [start, end) were asked for. */
  use(start: number, end: number): void {
    for (const [piece, bytes] of this.#parts(start, end)) {
      const left = this.#left.get(piece)
      if (left !== undefined) this.#left.set(piece, Math.max(0, left - bytes))
    }
  }

  /** The request for bytes [start, end) was taken back before anything of it was sent. */
  giveBack(start: number, end: number): void {
    for (const [piece, bytes] of this.#parts(start, end)) {
      const left = this.#left.get(piece)
      if (left !== undefined) this.#left.set(piece, Math.min(this.#pieces.wireSize(piece), left + bytes))
    }
  }

  /** The pieces of bytes [start, end), and how many of them lie in each. */
  #parts(start: number, end: number): Array<[piece: number, bytes: number]> {
    const parts: Array<[number, number]> = []
    const first = this.#pieces.pieceAt(start) ?? 0
    for (let piece = first; piece < this.#pieces.count && this.#pieces.offset(piece) < end; piece++) {
      const bytes = Math.min(end, this.#pieces.offset(piece + 1)) - Math.max(start, this.#pieces.offset(piece))
      if (bytes > 0) parts.push([piece, bytes])
    }
    return parts
  }
}
