import type { CID } from 'multiformats/cid'
import type { InlineSpan, Manifest, ManifestEntry, Span } from './manifest.ts'
import type { PieceIndex, PieceMap } from './piece-map.ts'

/** Spans in order of entries and file offsets, one number per span in each list. */
export interface SpanLists {
  readonly entry: Int32Array
  readonly piece: Int32Array
  readonly fileOffset: Float64Array
}

export interface ManifestParts {
  readonly root: CID
  readonly nodes: readonly CID[]
  readonly pieces: PieceMap
  readonly entries: readonly ManifestEntry[]
  readonly inline: readonly InlineSpan[]
  readonly totalBytes: number
  readonly spans: SpanLists
}

const NONE = -1

/**
 * A manifest in flat typed arrays: 40 bytes a piece (PieceMap) and 4 for its first span, 20 bytes a span. So a piece
 * that occurs once costs 64 bytes; paths and inline spans come on top. A span's length is its piece's data size.
 */
export class FlatManifest implements Manifest {
  readonly root: CID
  readonly nodes: readonly CID[]
  readonly pieces: PieceMap
  readonly entries: readonly ManifestEntry[]
  readonly inline: readonly InlineSpan[]
  readonly totalBytes: number
  readonly spanCount: number
  readonly #spans: SpanLists
  readonly #firstSpan: Int32Array
  /** The next span of the same piece, or NONE. */
  readonly #nextSpan: Int32Array

  constructor(parts: ManifestParts) {
    this.root = parts.root
    this.nodes = parts.nodes
    this.pieces = parts.pieces
    this.entries = parts.entries
    this.inline = parts.inline
    this.totalBytes = parts.totalBytes
    this.spanCount = parts.spans.piece.length
    this.#spans = parts.spans
    this.#firstSpan = new Int32Array(parts.pieces.count).fill(NONE)
    this.#nextSpan = new Int32Array(this.spanCount)
    for (let k = this.spanCount - 1; k >= 0; k--) {
      const piece = parts.spans.piece[k] ?? 0
      this.#nextSpan[k] = this.#firstSpan[piece] ?? NONE
      this.#firstSpan[piece] = k
    }
  }

  span(k: number): Span {
    const piece = this.#spans.piece[k]
    if (piece === undefined) throw new RangeError(`span ${k} of ${this.spanCount}`)
    return {
      entry: this.#spans.entry[k] ?? 0,
      piece: piece as PieceIndex,
      fileOffset: this.#spans.fileOffset[k] ?? 0,
      length: this.pieces.dataSize(piece)
    }
  }

  spansOf(piece: number): Span[] {
    const spans: Span[] = []
    for (let k = this.#firstSpan[piece] ?? NONE; k !== NONE; k = this.#nextSpan[k] ?? NONE) spans.push(this.span(k))
    return spans
  }
}
