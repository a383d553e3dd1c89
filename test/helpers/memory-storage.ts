/** Pieces in memory, for tests of the swarm's runner. */
import { createHash } from 'node:crypto'
import { Bitfield } from '../../src/content/bitfield.ts'
import { PieceMap } from '../../src/content/piece-map.ts'
import type { PieceStorage } from '../../src/transfer/io/seams.ts'

export class MemoryStorage implements PieceStorage {
  readonly pieces: PieceMap
  readonly nodeCount = 0
  readonly have: Bitfield
  readonly bytes: Uint8Array
  onLost: ((pieces: readonly number[]) => void) | undefined
  /** Set to make the next writes fail. */
  writeError: Error | undefined
  writes = 0

  constructor(pieces: PieceMap, bytes?: Uint8Array) {
    this.pieces = pieces
    this.have = bytes === undefined ? new Bitfield(pieces.count) : Bitfield.full(pieces.count)
    this.bytes = bytes ?? new Uint8Array(pieces.byteLength)
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    return this.bytes.slice(offset, offset + length)
  }

  async write(first: number, count: number, buffers: readonly Uint8Array[]): Promise<void> {
    if (this.writeError !== undefined) throw this.writeError
    this.writes += 1
    this.bytes.set(Buffer.concat(buffers), this.pieces.offset(first))
    for (let piece = first; piece < first + count; piece++) this.have.add(piece)
  }

  async readNode(): Promise<Uint8Array> {
    throw new Error('no nodes here')
  }
}

/** Pieces of the given sizes, cut from `bytes` in order. */
export function mapPieces(bytes: Uint8Array, sizes: readonly number[]): PieceMap {
  const digests = new Uint8Array(sizes.length * 32)
  let at = 0
  for (const [i, size] of sizes.entries()) {
    digests.set(
      createHash('sha256')
        .update(bytes.subarray(at, at + size))
        .digest(),
      i * 32
    )
    at += size
  }
  return new PieceMap(digests, sizes)
}

/** `length` bytes of the ChaCha20 keystream of a seed. */
export { keystream } from './keystream.ts'
