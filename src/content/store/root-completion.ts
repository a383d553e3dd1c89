/** The end of a fetch: the rest of its tree is made, and everything moves into place (docs/store.md, "Completing"). */
import { ShoalError } from '../../base/errors.ts'
import type { DiskThreads } from '../disk/disk-threads.ts'
import type { Skipped } from '../ingest.ts'
import { isFolderRoot, statOf } from './destination.ts'
import { makeLinks, makeTree, skippedLinks } from './fetched-tree.ts'
import { type FilePrints, fingerprintsOf } from './fingerprints-of.ts'
import type { KeptFolder } from './kept-originals.ts'
import { isRefusal, moveIntoPlace } from './move-into-place.ts'
import { type RootFiles, SuspectFile } from './root-files.ts'
import { notMoved, type PartsInit, type RootParts, undoMoveOf } from './root-parts.ts'
import { forgetTempOps } from './temp-ledger.ts'
import { Trash } from './trash.ts'

export interface CompletionInit extends PartsInit {
  readonly parts: RootParts
  readonly readNode: (index: number) => Promise<Uint8Array>
  /** Whether what is at the destination may be replaced. */
  readonly force: boolean
}

/**
 * All pieces are held, and nobody reads or writes meanwhile. Durable when it resolves.
 * @returns the symbolic links that were not made
 * @throws SuspectFile where a file is gone or not what was written; ERR_EXISTS where something came into being at the
 * destination: the content stays under its temporary name
 */
export async function completeRoot(init: CompletionInit): Promise<Skipped[]> {
  const { disk, db, parts, record, force, threads } = init
  const { manifest, files, ledger, writer } = parts
  const { temp, path } = record.value
  let skipped = skippedLinks(manifest)
  let before: FilePrints | undefined
  let kept: KeptFolder | undefined
  if (temp !== null) {
    if (record.value.moving) await undoMoveOf(init, parts)
    await writer.checkDrive()
    await makeTree(manifest, files, writer, init.readNode)
    await ledger.flush()
    if (!ledger.isRecorded) {
      throw new ShoalError('ERR_IO', `not all of ${path} could be written to the disk`, {
        hint: 'check the disk, and run the same command again'
      })
    }
    if (isFolderRoot(manifest)) skipped = await makeLinks(manifest, files)
    else skipped = []
    before = await lookAtFiles(files, threads)
    takePrints(files, before)
    // by their fingerprints the files are known again where the move is cut short
    record.set({ moving: true })
    await db.write([...files.printOps(record.id, before.keys()), ...record.ops()], { sync: true })
    await writer.close()
    await files.close()
    try {
      // to move a folder changes nothing of its files; one that moves by itself has another time of change
      const moved = await moveIntoPlace(disk, { temp, path, manifest, force })
      if (moved.how !== 'folder') before = undefined
      kept = moved.kept
    } catch (err) {
      // else it is undone before the next attempt, or after the next start
      await (isRefusal(err) ? notMoved(init, parts) : undoMoveOf(init, parts)).catch(() => {})
      throw err
    }
  }
  // What could not be moved is told by the ledger later on.
  const isTempGone = temp !== null && (await statOf(disk, temp)) === undefined
  files.base = path
  files.isPartial = false
  const prints = before ?? (await fingerprintsOf(files, threads)).prints
  files.prints.clear()
  takePrints(files, prints)
  record.set({ state: 'complete', temp: null, tempId: null, adopted: false, moving: false, problem: null })
  // those from before the move are recorded already
  const ops = prints === before ? [] : files.printOps(record.id, prints.keys())
  if (isTempGone) ops.push(...forgetTempOps(temp))
  const trash = new Trash(init)
  // what was replaced goes only now that nothing is undone any more
  if (kept !== undefined) ops.push(...trash.ops(kept.path, kept.id))
  await db.write([...ops, ...record.ops()], { sync: true })
  if (kept !== undefined) await trash.discard(kept.path, kept.id).catch(() => {})
  return skipped
}

function takePrints(files: RootFiles, prints: FilePrints): void {
  for (const [entry, print] of prints) files.prints.set(entry, { ...print, altered: false })
}

/** Of all files of a fetch, as they lie before they move. @throws SuspectFile */
async function lookAtFiles(files: RootFiles, threads: DiskThreads | undefined): Promise<FilePrints> {
  const { prints, missing } = await fingerprintsOf(files, threads)
  for (const [entry, reason] of missing) throw new SuspectFile(entry, reason)
  for (const [entry, print] of prints) {
    if (print.size !== files.size(entry)) throw new SuspectFile(entry, 'has another size')
    if (files.identity(entry)?.startsWith(`${print.ino}:`) === false) throw new SuspectFile(entry, 'was replaced')
  }
  return prints
}
