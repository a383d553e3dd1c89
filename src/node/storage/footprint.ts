/** What the roots of a store take of the limit, and which of them lie in each other's way. */
import { dirname } from 'node:path'
import { MIB } from '../../base/units.ts'
import type { StoredRoot } from '../../content/store/stored-root.ts'

/** A piece that was written before a crash and not recorded: the largest there are. */
const MAX_PIECE_BYTES = 2 * MIB

type Held = Pick<StoredRoot, 'source' | 'state' | 'totalBytes' | 'heldBytes' | 'unrecordedCount'>

/**
 * Bytes that a fetch has put on the disk. The user's own files count nothing. Of an unfinished fetch what is held counts,
 * and what may be there without being known yet.
 */
export function footprintOf(root: Held): number {
  if (root.source !== 'get') return 0
  if (root.state === 'complete') return root.totalBytes
  return Math.min(root.totalBytes, root.heldBytes + root.unrecordedCount * MAX_PIECE_BYTES)
}

/** Whether one is the other, or lies in it. @param a absolute @param b absolute */
export function overlaps(a: string, b: string): boolean {
  return a === b || liesIn(a, b) || liesIn(b, a)
}

/** @param path absolute @param folder absolute, no root of a file system */
export function liesIn(path: string, folder: string): boolean {
  return path.startsWith(`${folder}/`)
}

/** Of these, the ones that overlap another. @param paths absolute */
export function crowded(paths: readonly string[]): Set<string> {
  const count = new Map<string, number>()
  for (const path of paths) count.set(path, (count.get(path) ?? 0) + 1)
  const found = new Set<string>()
  for (const path of paths) {
    if ((count.get(path) ?? 0) > 1) found.add(path)
    for (let at = dirname(path); at !== dirname(at); at = dirname(at)) {
      if (!count.has(at)) continue
      found.add(at)
      found.add(path)
    }
  }
  return found
}
