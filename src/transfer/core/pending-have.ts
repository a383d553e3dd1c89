/**
 * What a peer holds while the number of pieces is not known here: exact, and never more than MAX_BITFIELD_BYTES.
 * Invariant: a set bit means held, or with `#all` means not held.
 */
import { MAX_PIECES } from '../protocol/limits.ts'
import type { Have } from '../protocol/messages.ts'
import { PieceSet } from './piece-set.ts'

export class PendingHave {
  #all = false
  #bits = new Uint8Array(0)
  /** A bitfield fixes the number of bytes. */
  #exactBytes: number | undefined

  get isAll(): boolean {
    return this.#all && this.#bits.byteLength === 0
  }

  set(have: Have): void {
    this.#all = have.kind === 'all'
    this.#bits = have.kind === 'bitfield' ? Uint8Array.from(have.bytes) : new Uint8Array(0)
    this.#exactBytes = have.kind === 'bitfield' ? have.bytes.byteLength : undefined
  }

  add(first: number, count: number): void {
    this.#write(first, count, !this.#all)
  }

  remove(first: number, count: number): void {
    this.#write(first, count, this.#all)
  }

  /** Undefined when it does not fit. Frees what was pending. */
  materialise(pieceCount: number): PieceSet | undefined {
    if (this.#exactBytes !== undefined && this.#exactBytes !== Math.ceil(pieceCount / 8)) return undefined
    const set = this.#all ? PieceSet.full(pieceCount) : new PieceSet(pieceCount)
    for (let at = 0; at < this.#bits.byteLength; at++) {
      const byte = this.#bits[at] ?? 0
      if (byte === 0) continue
      for (let bit = 0; bit < 8; bit++) {
        if ((byte & (0x80 >> bit)) === 0) continue
        const piece = at * 8 + bit
        if (piece >= pieceCount) return undefined
        if (this.#all) set.delete(piece)
        else set.add(piece)
      }
    }
    this.#bits = new Uint8Array(0)
    return set
  }

  #write(first: number, count: number, value: boolean): void {
    const end = Math.min(first + count, MAX_PIECES)
    const bytes = Math.ceil(end / 8)
    if (bytes > this.#bits.byteLength) {
      if (!value) {
        this.#writeWithin(first, this.#bits.byteLength * 8, value)
        return
      }
      const grown = new Uint8Array(Math.min(MAX_PIECES / 8, Math.max(bytes, this.#bits.byteLength * 2)))
      grown.set(this.#bits)
      this.#bits = grown
    }
    this.#writeWithin(first, end, value)
  }

  #writeWithin(first: number, end: number, value: boolean): void {
    for (let piece = first; piece < end; piece++) {
      const mask = 0x80 >> (piece & 7)
      const byte = this.#bits[piece >> 3] ?? 0
      this.#bits[piece >> 3] = value ? byte | mask : byte & ~mask
    }
  }
}
