/** Takes a move back that failed or was cut short (docs/store.md, "Completing"). */
import { dirname, join } from 'node:path'
import { fromSystemError } from '../../base/errors.ts'
import { type FileFingerprint, identityOf } from '../fingerprint.ts'
import { isFolderRoot, statOf } from './destination.ts'
import type { Disk, FileStats } from './disk.ts'
import { KeptOriginals } from './kept-originals.ts'
import { eachLimited } from './limit.ts'
import { syncFolder, syncTree } from './make-folder.ts'
import type { Move } from './move-into-place.ts'

const AT_ONCE = 16

export interface UndoneMove extends Move {
  /** Identity of the temporary file or folder. */
  readonly id: string
  /** What was recorded of each entry's file before the move; empty where an older version began it. */
  readonly prints: ReadonlyMap<number, FileFingerprint>
}

/** Brings everything back under the temporary name, and what it replaced to its place. */
export async function undoMove(disk: Disk, init: UndoneMove): Promise<void> {
  const { temp, id, path, manifest } = init
  try {
    const kept = await KeptOriginals.find(disk, init)
    if (kept !== undefined) {
      await moveBack(disk, init, kept)
      return await kept.drop()
    }
    const there = await statOf(disk, path)
    if (there === undefined) return
    const isTempGone = (await statOf(disk, temp)) === undefined
    if (isTempGone && identityOf(there) === id) {
      await disk.rename(path, temp)
      return await syncFolder(disk, dirname(path))
    }
    if (!isFolderRoot(manifest) || !there.isDirectory()) return
    if (!isTempGone && (await disk.readdir(path)).length === 0) {
      await disk.rmdir(path)
      return await syncFolder(disk, dirname(path))
    }
    await moveBack(disk, init, undefined)
  } catch (err) {
    throw fromSystemError(err, path)
  }
}

/** It was merged, or a part of it, into a folder that was there, or replaced a file. */
async function moveBack(disk: Disk, init: UndoneMove, kept: KeptOriginals | undefined): Promise<void> {
  const { temp, path, manifest } = init
  const isOurs = await recognizer(disk, init)
  const moved: string[] = []
  const replaced: Array<{ index: number; name: string }> = []
  await eachLimited(manifest.entries.entries(), AT_ONCE, async ([index, entry]) => {
    if (entry.kind !== 'file' || kept?.isFinal(index) === true) return
    const stats = await statOf(disk, join(path, entry.path))
    if (kept?.has(index) !== true) {
      if (stats?.isFile() === true && isOurs(index, entry.size, stats)) moved.push(entry.path)
    } else if (stats === undefined || (isOurs(index, entry.size, stats) && !(await kept.is(index, stats.ino)))) {
      replaced.push({ index, name: entry.path })
    }
  })
  if (moved.length + replaced.length === 0) return
  for (const entry of manifest.entries) {
    if (entry.kind === 'directory') await disk.mkdirs(join(temp, entry.path))
  }
  const syncTemp = async () => {
    await syncTree(disk, temp, manifest.entries)
    await syncFolder(disk, dirname(temp))
  }
  // what moves into a folder without a durable name would go with it
  await syncTemp()
  for (const { name } of replaced) {
    const isGone = (await statOf(disk, join(temp, name))) === undefined
    // its name goes as the original gets it back: there is always one of the two
    if (isGone && (await statOf(disk, join(path, name))) !== undefined) {
      await disk.link(join(path, name), join(temp, name))
    }
  }
  for (const name of moved) {
    const to = join(temp, name)
    if ((await statOf(disk, to)) === undefined) await disk.rename(join(path, name), to)
  }
  await syncTemp()
  for (const { index, name } of replaced) await kept?.putBack(index, join(path, name))
  if (replaced.length === 0) return
  await syncTree(disk, path, manifest.entries)
  await syncFolder(disk, dirname(path))
}

/** Whether a file at the destination is the one that was moved there. */
async function recognizer(
  disk: Disk,
  { temp, id, manifest, prints }: UndoneMove
): Promise<(index: number, size: number, stats: FileStats) => boolean> {
  if (!isFolderRoot(manifest)) return (_index, _size, stats) => identityOf(stats) === id
  const isTempThere = (await statOf(disk, temp)) !== undefined
  return (index, size, { ino, size: found }) => {
    if (Number(found) !== size) return false
    return prints.size === 0 ? isTempThere : prints.get(index)?.ino === ino
  }
}
