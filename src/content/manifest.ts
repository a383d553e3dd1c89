/**
 * What a root means: its DAG nodes in the order of their first appearance (pre-order, depth first, links in stored
 * order), the pieces that follow from them, and where in which file each piece lies. Two nodes that hold the same root
 * derive the same numbers from it: piece index, piece space and node index need no agreement on the wire.
 */
import type { CID } from 'multiformats/cid'
import type { PieceIndex, PieceMap } from './piece-map.ts'

export type ManifestEntry =
  /** Spans `firstSpan` to `firstSpan + spanCount - 1` are the file's, in file order. `size` in bytes. */
  | {
      readonly kind: 'file'
      readonly path: string
      readonly size: number
      readonly firstSpan: number
      readonly spanCount: number
    }
  | { readonly kind: 'directory'; readonly path: string }
  | { readonly kind: 'symlink'; readonly path: string; readonly target: string }

/** A stretch of a file that one piece holds. `length` is the piece's data size. */
export interface Span {
  /** Index into `entries`. */
  readonly entry: number
  readonly piece: PieceIndex
  readonly fileOffset: number
  readonly length: number
}

/** A stretch of a file that lies inside a DAG node (a single-block dag-pb file, or data beside links). */
export interface InlineSpan {
  readonly entry: number
  readonly fileOffset: number
  readonly node: number
  /** Where the data begin within the node's bytes. */
  readonly nodeOffset: number
  readonly length: number
}

export interface Manifest {
  readonly root: CID
  /** CIDs of the DAG nodes by node index. For a raw root this is the root itself, whose block is piece 0. */
  readonly nodes: readonly CID[]
  readonly pieces: PieceMap
  /**
   * Pre-order; paths are relative to the root, '/'-separated, NFC or not exactly as stored; '' is the root itself, and
   * entry 0 is always the root. Every path was checked: no '..', '.', empty or absolute component, no NUL.
   */
  readonly entries: readonly ManifestEntry[]
  readonly inline: readonly InlineSpan[]
  /** Bytes of all files together, duplicates counted as often as they occur. */
  readonly totalBytes: number
  readonly spanCount: number
  /** Span `k`, 0 ≤ k < spanCount, in order of entries and file offsets. */
  span(k: number): Span
  /** Every place where the piece lies; at least one. */
  spansOf(piece: number): Span[]
}

export function isRawRoot(manifest: Manifest): boolean {
  return manifest.root.code === 0x55
}
