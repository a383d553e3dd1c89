/** Finds paths and byte ranges in a manifest, for whoever reads a file rather than fetches it. */
import type { Manifest } from './manifest.ts'
import type { PieceIndex } from './piece-map.ts'

/** A stretch of a file, from one piece or one DAG node. */
export type FilePart =
  /** `pieceOffset` counts the piece's data: a dag-pb leaf's envelope lies before it. */
  | {
      readonly kind: 'piece'
      readonly piece: PieceIndex
      readonly pieceOffset: number
      readonly fileOffset: number
      readonly length: number
    }
  | {
      readonly kind: 'inline'
      readonly node: number
      readonly nodeOffset: number
      readonly fileOffset: number
      readonly length: number
    }

const pathsOf = new WeakMap<Manifest, ReadonlyMap<string, number>>()

/**
 * Index into `entries`. Slashes at either end do not matter; '' is the root. The first call for a manifest costs a pass
 * over its entries.
 */
export function entryAt(manifest: Manifest, path: string): number | undefined {
  let paths = pathsOf.get(manifest)
  if (paths === undefined) {
    paths = new Map(manifest.entries.map((entry, index) => [entry.path, index]))
    pathsOf.set(manifest, paths)
  }
  return paths.get(path.replace(/^\/+|\/+$/g, ''))
}

/**
 * What bytes `offset` to `offset + length` of a file consist of, in order, without gap or overlap, clipped to the file.
 * Nothing for what is no file. Finding the first part costs a binary search.
 */
export function* filePartsOf(
  manifest: Manifest,
  entryIndex: number,
  offset = 0,
  length = Number.POSITIVE_INFINITY
): Generator<FilePart> {
  const entry = manifest.entries[entryIndex]
  if (entry?.kind !== 'file') return
  const end = Math.min(entry.size, offset + length)
  const lastSpan = entry.firstSpan + entry.spanCount
  let at = Math.max(0, offset)
  let k = firstWhere(entry.firstSpan, lastSpan, i => endOf(manifest.span(i)) > at)
  let n = firstWhere(0, manifest.inline.length, i => {
    const inline = manifest.inline[i]
    return inline === undefined || inline.entry > entryIndex || (inline.entry === entryIndex && endOf(inline) > at)
  })
  while (at < end) {
    const inline = manifest.inline[n]
    if (inline !== undefined && inline.entry === entryIndex && inline.fileOffset <= at) {
      const skip = at - inline.fileOffset
      const taken = Math.min(endOf(inline), end) - at
      yield { kind: 'inline', node: inline.node, nodeOffset: inline.nodeOffset + skip, fileOffset: at, length: taken }
      at += taken
      n += 1
      continue
    }
    if (k >= lastSpan) return
    const span = manifest.span(k++)
    const taken = Math.min(endOf(span), end) - at
    if (taken <= 0) continue
    yield { kind: 'piece', piece: span.piece, pieceOffset: at - span.fileOffset, fileOffset: at, length: taken }
    at += taken
  }
}

function endOf(stretch: { fileOffset: number; length: number }): number {
  return stretch.fileOffset + stretch.length
}

/** The first index of [from, to) for which `holds` is true, or `to`. `holds` must not turn false again. */
function firstWhere(from: number, to: number, holds: (index: number) => boolean): number {
  let low = from
  let high = to
  while (low < high) {
    const middle = (low + high) >>> 1
    if (holds(middle)) high = middle
    else low = middle + 1
  }
  return low
}
