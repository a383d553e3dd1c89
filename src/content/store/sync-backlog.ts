/**
 * Files that were written and not yet synced, and the pieces that wait for that (docs/store.md, "What is durable, and
 * when"). Large files are synced in every batch. Small ones wait their turn, oldest first: syncing thousands of them at
 * once would take longer than fetching them.
 */
import { KIB } from '../../base/units.ts'
import type { Manifest } from '../manifest.ts'

/** Below this a file is small: to sync it costs more than to hash it again. */
export const SMALL_FILE_BYTES = 256 * KIB

export class SyncBacklog {
  readonly #manifest: Manifest
  /** In the order in which they were written first. */
  readonly #small = new Set<number>()
  readonly #large = new Set<number>()
  /** Pieces not all of whose files are small; those of small files are found by their file. */
  #pieces = new Set<number>()
  #bytes = 0
  /** Files whose last fdatasync failed: the system may have dropped what was written, and will not say so again. */
  readonly #failed = new Set<number>()

  constructor(manifest: Manifest) {
    this.#manifest = manifest
  }

  /** Bytes that wait in large files. */
  get bytes(): number {
    return this.#bytes
  }

  /** Small files that wait. */
  get smallCount(): number {
    return this.#small.size
  }

  get isEmpty(): boolean {
    return this.#small.size === 0 && this.#large.size === 0 && this.#pieces.size === 0
  }

  get hasFailed(): boolean {
    return this.#failed.size > 0
  }

  /** The pieces were written to the files of `entries`. */
  add(pieces: readonly number[], entries: Iterable<number>, bytes: number): void {
    let isLarge = false
    for (const entry of entries) {
      this.putBack(entry)
      isLarge ||= !this.#isSmall(entry)
    }
    if (isLarge) this.#bytes += bytes
    for (const piece of pieces) {
      if (!this.#manifest.spansOf(piece).every(({ entry }) => this.#small.has(entry))) this.#pieces.add(piece)
    }
  }

  /** What every batch syncs. */
  takeLarge(): number[] {
    const entries = [...this.#large]
    this.#large.clear()
    this.#bytes = 0
    return entries
  }

  /** Small files one by one, those that waited longest first, while `goOn`; none that was written meanwhile again. */
  *takeSmall(goOn: () => boolean): Generator<number> {
    let left = this.#small.size
    for (const entry of this.#small) {
      if (left-- === 0 || !goOn()) return
      this.#small.delete(entry)
      yield entry
    }
  }

  /** It was taken and not synced. */
  putBack(entry: number): void {
    if (this.#isSmall(entry)) this.#small.add(entry)
    else this.#large.add(entry)
  }

  /** fdatasync of the file failed: it goes on waiting, and its pieces are to be written again first. */
  fail(entry: number): void {
    this.#failed.add(entry)
    this.putBack(entry)
  }

  /** Unrecorded pieces that failed files hold. */
  failedPieces(isUnrecorded: (piece: number) => boolean): number[] {
    const pieces = new Set<number>()
    for (const entry of this.#failed)
      for (const piece of this.#piecesOf(entry)) if (isUnrecorded(piece)) pieces.add(piece)
    return [...pieces]
  }

  /** What failed files held was written again. */
  repaired(): void {
    this.#failed.clear()
  }

  /** After a batch: pieces none of whose files waits any more. */
  takeDurable(synced: Iterable<number>): number[] {
    const candidates = this.#pieces
    this.#pieces = new Set()
    for (const entry of synced) {
      if (this.#isSmall(entry)) for (const piece of this.#piecesOf(entry)) candidates.add(piece)
    }
    const durable: number[] = []
    for (const piece of candidates) {
      const spans = this.#manifest.spansOf(piece)
      if (spans.some(({ entry }) => this.#large.has(entry))) this.#pieces.add(piece)
      else if (!spans.some(({ entry }) => this.#small.has(entry))) durable.push(piece)
    }
    return durable
  }

  #isSmall(entry: number): boolean {
    const found = this.#manifest.entries[entry]
    return found?.kind === 'file' && found.size < SMALL_FILE_BYTES
  }

  *#piecesOf(entry: number): Generator<number> {
    const found = this.#manifest.entries[entry]
    if (found?.kind !== 'file') return
    for (let k = found.firstSpan; k < found.firstSpan + found.spanCount; k++) yield this.#manifest.span(k).piece
  }
}
