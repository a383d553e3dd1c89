/** Copies held content to another place on this machine, every piece hashed on the way. */
import { throwIfAborted } from '../../base/errors.ts'
import { MIB } from '../../base/units.ts'
import { isRawRoot } from '../manifest.ts'
import { checkNames, checkSpace, claimTemp, isFolderRoot, makeParent, statOf } from './destination.ts'
import { makeLinks, makeTree } from './fetched-tree.ts'
import { fingerprintsOf } from './fingerprints-of.ts'
import type { KeptFolder } from './kept-originals.ts'
import { isRefusal, moveIntoPlace } from './move-into-place.ts'
import { PieceWriter, type WriteLog } from './piece-writer.ts'
import { changedError, RootFiles, SuspectFile } from './root-files.ts'
import type { StoredRoot } from './stored-root.ts'
import { tempPath } from './temp-name.ts'
import type { Trash } from './trash.ts'
import { undoMove } from './undo-move.ts'

const BATCH_BYTES = 4 * MIB
const NOT_RECORDED: WriteLog = { have: { has: () => false }, throwFailure: () => {}, wrote: async () => {} }

/**
 * Runs of held pieces, each verified, at most 4 MiB together (or one piece). A piece that turns out to be lost is left
 * out, and withdrawn from its root.
 */
async function* heldRuns(root: StoredRoot, signal?: AbortSignal) {
  const { pieces } = root
  for (let first = 0; first < pieces.count; ) {
    throwIfAborted(signal)
    if (!root.have.has(first)) {
      first += 1
      continue
    }
    let end = first + 1
    while (root.have.has(end) && pieces.offset(end + 1) - pieces.offset(first) <= BATCH_BYTES) end += 1
    const at = pieces.offset(first)
    const bytes = await root.read(at, pieces.offset(end) - at).catch(() => undefined)
    let whole = bytes !== undefined
    for (let piece = first; bytes !== undefined && whole && piece < end; piece++) {
      const block = bytes.subarray(pieces.offset(piece) - at, pieces.offset(piece + 1) - at)
      whole = root.parts.reader.matches(piece, [block])
    }
    if (bytes !== undefined && whole) yield { first, count: end - first, bytes }
    else {
      // One of the run is bad: each by itself.
      for (let piece = first; piece < end; piece++) {
        const block = await root.parts.reader.readVerified(piece)
        if (block !== undefined) yield { first: piece, count: 1, bytes: block }
      }
    }
    first = end
  }
}

/** Writes what `from` holds into `to`, a fetch of the same root. */
export async function seedFrom(from: StoredRoot, to: StoredRoot, signal?: AbortSignal): Promise<void> {
  for await (const { first, count, bytes } of heldRuns(from, signal)) await to.write(first, count, [bytes])
}

export interface CopyInit {
  readonly path: string
  readonly force: boolean
  readonly signal?: AbortSignal | undefined
  /** What is copied is noted there until it is whole. */
  readonly trash: Trash
}

/**
 * A whole copy at `path`; the store knows nothing of it afterwards.
 * @returns whether all of it could be copied; false: pieces turned out to be lost, and nothing is at `path`
 */
export async function copyTo(from: StoredRoot, { path, force, signal, trash }: CopyInit): Promise<boolean> {
  const { manifest } = from
  const { disk } = from.parts.files
  const temp = tempPath(path, from.cid)
  await makeParent(disk, path)
  await checkNames(disk, temp, manifest)
  await checkSpace(disk, path, manifest.totalBytes)
  const { id, adopted } = await claimTemp(disk, temp, manifest)
  await trash.noteMade(temp, { id, adopted })
  const files = new RootFiles({ disk, manifest, base: temp, isPartial: true })
  const writer = new PieceWriter(manifest, files, NOT_RECORDED)
  try {
    let copied = 0
    for await (const { first, count, bytes } of heldRuns(from, signal)) {
      await writer.write(first, count, [bytes])
      copied += count
    }
    if (copied < manifest.pieces.count) {
      if (!adopted) await trash.discard(temp, id)
      return false
    }
    if (!isRawRoot(manifest)) await makeTree(manifest, files, writer, index => from.readNode(index))
    await writer.syncAll(files.filesWithPieces())
    await files.names.sync()
    if (isFolderRoot(manifest)) await makeLinks(manifest, files)
  } catch (err) {
    throw err instanceof SuspectFile ? changedError(err, temp) : err
  } finally {
    await writer.close()
  }
  const { prints } = await fingerprintsOf(files, undefined)
  let kept: KeptFolder | undefined
  try {
    const onKept = async (made: KeptFolder) => {
      kept = made
      // should this be cut short: each file is the old or the new one, whatever the next start deletes
      await trash.noteMade(made.path, { id: made.id, adopted: false })
    }
    await moveIntoPlace(disk, { temp, path, manifest, force, onKept })
  } catch (err) {
    if (force && !isRefusal(err)) await undoMove(disk, { temp, id, path, manifest, prints }).catch(() => {})
    if (kept !== undefined && (await statOf(disk, kept.path)) === undefined) await trash.forget(kept.path)
    // it is said to be there: a get to the same place takes it up
    if (isRefusal(err)) await trash.keep(temp)
    else if (!adopted) await trash.discard(temp, id)
    throw err
  }
  if (kept !== undefined) await trash.discard(kept.path, kept.id)
  await trash.forget(temp)
  return true
}
