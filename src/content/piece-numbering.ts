import { DAG_PB, RAW } from './cid.ts'
import { DigestTable } from './digest-table.ts'
import { malformedRoot } from './malformed-root.ts'
import { MAX_PIECE_BYTES, PieceMap } from './piece-map.ts'

/** SHA-256 of nothing: the one piece that may, and must, be empty. */
const EMPTY_DIGEST = Buffer.from('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855', 'hex')

/** Pieces by digest and codec, in order of first appearance, with the sizes that links state for them. */
export class PieceNumbering {
  readonly #table = new DigestTable()
  readonly #wire: number[] = []
  readonly #dagPbData = new Map<number, number>()

  /** The piece's number. @throws ERR_MALFORMED_ROOT where the sizes cannot be, or differ from those stated before */
  add(bytes: Uint8Array, at: number, codec: typeof RAW | typeof DAG_PB, wire: number, data: number): number {
    const piece = this.#table.add(bytes, at, codec)
    if (piece < this.#wire.length) {
      const known = codec === RAW ? wire : this.#dagPbData.get(piece)
      if (this.#wire[piece] !== wire || known !== data) throw malformedRoot('two sizes are stated for one piece')
      return piece
    }
    if (wire > MAX_PIECE_BYTES) throw malformedRoot(`a piece of ${wire} bytes`)
    const empty = codec === RAW && EMPTY_DIGEST.equals(this.#table.digest(piece))
    if (empty !== (wire === 0)) throw malformedRoot('a piece whose stated length its hash contradicts')
    this.#wire.push(wire)
    if (codec === DAG_PB) this.#dagPbData.set(piece, data)
    return piece
  }

  toMap(): PieceMap {
    return new PieceMap(this.#table.toBytes(), this.#wire, this.#dagPbData)
  }
}
