/**
 * The pieces of a root in flat typed arrays: digest, size, and place in the *piece space*, the concatenation of all
 * distinct pieces in the order of their first appearance in the content. Requests on the wire are byte ranges of the
 * piece space, so one request may span thousands of small pieces. Pure: imports nothing but types.
 *
 * A piece has a *wire size* (its block as hashed: what travels) and a *data size* (the bytes of it that belong to the
 * file). They differ only for dag-pb leaves, whose envelope travels with them.
 */

/** An index that was checked against a piece map: 0 ≤ index < count. */
export type PieceIndex = number & { readonly __brand: 'PieceIndex' }

export const DIGEST_BYTES = 32
/** The largest leaf that is read (ours are at most 1 MiB). */
export const MAX_PIECE_BYTES = 2 * 1024 * 1024

export class PieceMap {
  readonly count: number
  readonly #digests: Uint8Array
  readonly #offsets: Float64Array
  readonly #dagPb: ReadonlyMap<number, number>

  /**
   * @param digests count × 32 bytes (sha2-256), owned by the map from here on
   * @param wireSizes bytes of each piece, 1 to MAX_PIECE_BYTES (0 only for the empty raw leaf)
   * @param dagPbDataSizes for each dag-pb leaf: index → data bytes
   */
  constructor(
    digests: Uint8Array,
    wireSizes: ArrayLike<number>,
    dagPbDataSizes: ReadonlyMap<number, number> = new Map()
  ) {
    this.count = wireSizes.length
    if (digests.byteLength !== this.count * DIGEST_BYTES) throw new RangeError('digests and sizes differ in number')
    this.#digests = digests
    this.#dagPb = dagPbDataSizes
    this.#offsets = new Float64Array(this.count + 1)
    for (let i = 0; i < this.count; i++) this.#offsets[i + 1] = (this.#offsets[i] ?? 0) + (wireSizes[i] ?? 0)
  }

  /** Bytes of the whole piece space. */
  get byteLength(): number {
    return this.#offsets[this.count] ?? 0
  }

  /** Checks a number from outside. */
  index(n: number): PieceIndex | undefined {
    return Number.isInteger(n) && n >= 0 && n < this.count ? (n as PieceIndex) : undefined
  }

  /** Where the piece begins in the piece space. `offset(count)` is the end. */
  offset(i: number): number {
    return this.#offsets[i] ?? this.byteLength
  }

  wireSize(i: number): number {
    return this.offset(i + 1) - this.offset(i)
  }

  dataSize(i: number): number {
    return this.#dagPb.get(i) ?? this.wireSize(i)
  }

  isDagPb(i: number): boolean {
    return this.#dagPb.has(i)
  }

  /** A view of 32 bytes, not a copy. */
  digest(i: number): Uint8Array {
    return this.#digests.subarray(i * DIGEST_BYTES, (i + 1) * DIGEST_BYTES)
  }

  /** Whether it is the digest of piece `i`. */
  hasDigest(i: number, digest: Uint8Array): boolean {
    return Buffer.compare(digest, this.digest(i)) === 0
  }

  /** The piece that holds byte `offset` of the piece space (never an empty piece), or undefined past the end. */
  pieceAt(offset: number): PieceIndex | undefined {
    if (!(offset >= 0) || offset >= this.byteLength) return undefined
    let low = 0
    let high = this.count - 1
    while (low < high) {
      const middle = (low + high + 1) >>> 1
      if (this.offset(middle) <= offset) low = middle
      else high = middle - 1
    }
    return low as PieceIndex
  }
}
