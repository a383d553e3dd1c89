/** Moves a complete fetch to its place (docs/store.md, "Completing"). */
import { dirname, join } from 'node:path'
import { fromSystemError, ShoalError, systemCode } from '../../base/errors.ts'
import type { Manifest } from '../manifest.ts'
import { existsError, isFolderRoot, probeIn, refuseSpecial, statOf } from './destination.ts'
import type { Disk } from './disk.ts'
import { type KeptFolder, keepOriginals } from './kept-originals.ts'
import { eachLimited } from './limit.ts'
import { syncFolder, syncTree } from './make-folder.ts'

const AT_ONCE = 16

export interface Move {
  readonly temp: string
  readonly path: string
  readonly manifest: Manifest
}

/** Whether a move ended before it began, by something in its way: there is nothing to undo then. */
export const isRefusal = (err: unknown) => err instanceof ShoalError && err.code === 'ERR_EXISTS'

/** A file, a whole folder, or file by file into a folder that is there. */
export type HowMoved = 'file' | 'folder' | 'merge'

async function howToMove(
  disk: Disk,
  { path, manifest, force }: Omit<Move, 'temp'> & { readonly force: boolean }
): Promise<HowMoved> {
  if (!isFolderRoot(manifest)) return 'file'
  return force && (await statOf(disk, path)) !== undefined ? 'merge' : 'folder'
}

export interface Moved {
  readonly how: HowMoved
  /** What was replaced, to be deleted as soon as nobody will undo this. */
  readonly kept: KeptFolder | undefined
}

/**
 * Moves a complete fetch into place. What it throws leaves each file that it was to replace as it was, or replaced, and
 * some of this perhaps moved: `undoMove`.
 * @throws ERR_EXISTS; then nothing was moved
 */
export async function moveIntoPlace(
  disk: Disk,
  move: Move & {
    readonly force: boolean
    /** Before anything is replaced. */
    readonly onKept?: (kept: KeptFolder) => Promise<void>
  }
): Promise<Moved> {
  const { temp, path, manifest } = move
  try {
    const how = await howToMove(disk, move)
    if (how !== 'file') await disk.remove(probeIn(temp, manifest))
    if (how === 'merge') await checkTargets(disk, move)
    if (how === 'file' && move.force) await checkTarget(disk, move)
    const kept = how !== 'folder' && move.force ? await keepOriginals(disk, move) : undefined
    if (kept !== undefined) await move.onKept?.(kept)
    await { file: moveFile, folder: moveFolder, merge: mergeFolder }[how](disk, move)
    await syncFolder(disk, dirname(path))
    return { how, kept }
  } catch (err) {
    throw fromSystemError(err, path)
  }
}

const kept = (temp: string) => `; the complete content is kept in ${temp}`

async function checkTarget(disk: Disk, { temp, path }: Move): Promise<void> {
  const there = await statOf(disk, path)
  if (there === undefined) return
  refuseSpecial(path, there, kept(temp))
  if (there.isDirectory())
    throw existsError(path, ` and is a folder, where a file should go${kept(temp)}`, { force: true })
}

async function moveFile(disk: Disk, { temp, path, force }: Move & { readonly force: boolean }): Promise<void> {
  if (force) return await disk.rename(temp, path)
  try {
    // Unlike rename, link never replaces.
    await disk.link(temp, path)
  } catch {
    const there = await statOf(disk, path)
    if (there !== undefined && there.ino !== (await statOf(disk, temp))?.ino) throw existsError(path, kept(temp))
    if (there === undefined) return await disk.rename(temp, path)
  }
  // a power cut could keep the end of the old name and not the new one
  await syncFolder(disk, dirname(path))
  await disk.unlink(temp)
}

async function moveFolder(disk: Disk, { temp, path }: Move): Promise<void> {
  try {
    // rename replaces an empty folder, and mkdir makes sure that it is ours.
    await disk.mkdir(path)
  } catch (err) {
    if (systemCode(err) === 'EEXIST') throw existsError(path, kept(temp))
    throw err
  }
  try {
    await disk.rename(temp, path)
  } catch (err) {
    await disk.rmdir(path).catch(() => {})
    throw err
  }
}

/** Whatever can be known of why a merge would fail, before anything is replaced. */
async function checkTargets(disk: Disk, { temp, path, manifest }: Move): Promise<void> {
  const { dev } = await disk.lstat(temp)
  await eachLimited(manifest.entries, AT_ONCE, async entry => {
    const at = join(path, entry.path)
    const there = await statOf(disk, at)
    if (there === undefined) return
    refuseSpecial(at, there, kept(temp))
    const fits = entry.kind === 'directory' ? there.isDirectory() : there.isFile() || there.isSymbolicLink()
    if (!fits) {
      const wanted = entry.kind === 'directory' ? 'a folder' : 'a file'
      throw existsError(at, ` and is something else, where ${wanted} should go${kept(temp)}`, { force: true })
    }
    if (entry.kind !== 'directory') return
    if (there.dev !== dev) {
      throw new ShoalError('ERR_EXISTS', `${at} is on another file system than ${path}${kept(temp)}`, {
        hint: 'choose another place with -o',
        details: { path: at }
      })
    }
    await disk.checkWritable(at).catch(err => {
      throw fromSystemError(err, at)
    })
  })
}

/** Files of the content replace files of the same name; nothing else is touched. */
async function mergeFolder(disk: Disk, { temp, path, manifest }: Move): Promise<void> {
  const { entries } = manifest
  let isMade = false
  for (const entry of entries) {
    if (entry.kind !== 'directory' || (await statOf(disk, join(path, entry.path))) !== undefined) continue
    await disk.mkdir(join(path, entry.path))
    isMade = true
  }
  // what moves into a folder without a durable name would go with it
  if (isMade) await syncTree(disk, path, manifest.entries)
  for (const kind of ['file', 'symlink'] as const) {
    await eachLimited(entries, AT_ONCE, async entry => {
      if (entry.kind !== kind) return
      try {
        await disk.rename(join(temp, entry.path), join(path, entry.path))
      } catch (err) {
        // A link that was not made has nothing to move.
        if (kind === 'file' || systemCode(err) !== 'ENOENT') throw fromSystemError(err, join(path, entry.path))
      }
    })
  }
  // before the folders that they came from go, and their old names with these
  await syncTree(disk, path, manifest.entries)
  for (const entry of entries.toReversed()) {
    if (entry.kind === 'directory') await disk.rmdir(join(temp, entry.path)).catch(() => {})
  }
}
