/** Where a fetch goes: checked and claimed before the first byte, moved into place after the last. */
import { dirname, join } from 'node:path'
import { fromSystemError, ShoalError, systemCode } from '../../base/errors.ts'
import { formatBytes, MIB } from '../../base/units.ts'
import { type FileFingerprint, identityOf } from '../fingerprint.ts'
import type { Manifest } from '../manifest.ts'
import type { Disk, FileStats } from './disk.ts'
import { eachLimited } from './limit.ts'
import { makeFolder, syncFolder } from './make-folder.ts'

const AT_ONCE = 16

/** `lstat`; undefined where there is nothing. */
export async function statOf(disk: Disk, path: string): Promise<FileStats | undefined> {
  try {
    return await disk.lstat(path)
  } catch (err) {
    const code = systemCode(err)
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw fromSystemError(err, path)
  }
}

export function existsError(path: string, more = ''): ShoalError {
  return new ShoalError('ERR_EXISTS', `${path} exists already${more}`, {
    hint: 'choose another place with -o, or replace it with --force',
    details: { path }
  })
}

export const isFolderRoot = (manifest: Manifest) => manifest.entries[0]?.kind === 'directory'

/** Makes the folder that the destination lies in. @throws ERR_NO_PERMISSION, ERR_READ_ONLY, ERR_EXISTS, … */
export async function makeParent(disk: Disk, path: string): Promise<void> {
  const parent = dirname(path)
  try {
    await makeFolder(disk, parent)
  } catch (err) {
    const code = systemCode(err)
    if (code === 'EEXIST' || code === 'ENOTDIR') {
      throw new ShoalError('ERR_EXISTS', `cannot make the folder ${parent}: a file is in the way`, {
        cause: err,
        hint: 'choose another place with -o'
      })
    }
    throw fromSystemError(err, parent)
  }
}

/** @throws ERR_NO_SPACE where the file system says that `bytes` more cannot fit */
export async function checkSpace(disk: Disk, path: string, bytes: number): Promise<void> {
  const free = await disk.freeBytes(dirname(path)).catch(() => undefined)
  if (free === undefined || free >= bytes) return
  throw new ShoalError('ERR_NO_SPACE', `${path} needs ${formatBytes(bytes)}, and ${formatBytes(free)} are free`, {
    hint: 'free some space, or choose another place with -o',
    details: { path, bytes, free }
  })
}

/** So much must be free before a fetch that ran out of space goes on: a few pieces. */
const PROBE_BYTES = 8 * MIB

/**
 * Whether an unfinished fetch can be written, as far as can be told without writing content.
 * @param missing bytes that are still to be fetched
 */
export async function probeTemp(
  disk: Disk,
  manifest: Manifest,
  { temp, missing }: { temp: string; missing: number }
): Promise<void> {
  await checkSpace(disk, temp, Math.min(missing, PROBE_BYTES))
  try {
    if (isFolderRoot(manifest)) await probeFolder(disk, probeIn(temp, manifest))
    else await (await disk.open(temp, 'write')).close()
  } catch (err) {
    throw fromSystemError(err, temp)
  }
}

/** No file of the content. A kill may leave it: `moveIntoPlace` looks for it. */
function probeIn(folder: string, { entries }: Manifest): string {
  let name = '.shoal-probe'
  while (entries.some(({ path }) => path === name)) name += '-'
  return join(folder, name)
}

/** Made, but perhaps not for us to write in (a default ACL, an odd umask). */
async function probeFolder(disk: Disk, probe: string): Promise<void> {
  await (await disk.open(probe, 'write')).close()
  await disk.unlink(probe)
}

/**
 * Makes the temporary file or folder, its name durable, or takes over one that a lost data folder left behind.
 * @throws ERR_EXISTS where something else has its name
 */
export async function claimTemp(
  disk: Disk,
  temp: string,
  manifest: Manifest
): Promise<{ id: string; adopted: boolean }> {
  const folder = isFolderRoot(manifest)
  const old = await statOf(disk, temp)
  if (old !== undefined) {
    const isOurs = (folder ? old.isDirectory() : old.isFile()) && Number(old.uid) === process.geteuid?.()
    if (!isOurs) {
      throw new ShoalError('ERR_EXISTS', `${temp} is in the way of the temporary ${folder ? 'folder' : 'file'}`, {
        hint: 'move it away and run the same command again',
        details: { path: temp }
      })
    }
    return { id: identityOf(old), adopted: true }
  }
  try {
    if (folder) {
      await disk.mkdir(temp)
      // Better now than after the first piece.
      await probeFolder(disk, probeIn(temp, manifest))
    } else {
      const file = await disk.open(temp, 'write')
      const entry = manifest.entries[0]
      try {
        await file.truncate(entry?.kind === 'file' ? entry.size : 0)
      } finally {
        await file.close()
      }
    }
    await syncFolder(disk, dirname(temp))
    return { id: identityOf(await disk.lstat(temp)), adopted: false }
  } catch (err) {
    throw fromSystemError(err, temp)
  }
}

export interface Move {
  readonly temp: string
  readonly path: string
  readonly manifest: Manifest
}

/** A file, a whole folder, or file by file into a folder that is there. */
export type HowMoved = 'file' | 'folder' | 'merge'

async function howToMove(
  disk: Disk,
  { path, manifest, force }: Omit<Move, 'temp'> & { readonly force: boolean }
): Promise<HowMoved> {
  if (!isFolderRoot(manifest)) return 'file'
  return force && (await statOf(disk, path)) !== undefined ? 'merge' : 'folder'
}

/** Moves a complete fetch into place. Returns how. @throws ERR_EXISTS; then nothing was moved */
export async function moveIntoPlace(disk: Disk, move: Move & { readonly force: boolean }): Promise<HowMoved> {
  const { temp, path, manifest } = move
  try {
    const how = await howToMove(disk, move)
    if (how !== 'file') await disk.remove(probeIn(temp, manifest))
    await { file: moveFile, folder: moveFolder, merge: mergeFolder }[how](disk, move)
    await syncFolder(disk, dirname(path))
    return how
  } catch (err) {
    throw fromSystemError(err, path)
  }
}

const kept = (temp: string) => `; the complete content is kept in ${temp}`

async function moveFile(disk: Disk, { temp, path, force }: Move & { readonly force: boolean }): Promise<void> {
  if (force) {
    if ((await statOf(disk, path))?.isDirectory() === true) {
      throw existsError(path, ` and is a folder, where a file should go${kept(temp)}`)
    }
    return await disk.rename(temp, path)
  }
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

/** Files of the content replace files of the same name; nothing else is touched. */
async function mergeFolder(disk: Disk, { temp, path, manifest }: Move): Promise<void> {
  const { entries } = manifest
  await eachLimited(entries, AT_ONCE, async entry => {
    const at = join(path, entry.path)
    const there = await statOf(disk, at)
    if (there === undefined) return
    const fits = entry.kind === 'directory' ? there.isDirectory() : there.isFile() || there.isSymbolicLink()
    if (!fits) {
      const wanted = entry.kind === 'directory' ? 'a folder' : 'a file'
      throw existsError(at, ` and is something else, where ${wanted} should go${kept(temp)}`)
    }
  })
  let isMade = false
  for (const entry of entries) {
    if (entry.kind !== 'directory' || (await statOf(disk, join(path, entry.path))) !== undefined) continue
    await disk.mkdir(join(path, entry.path))
    isMade = true
  }
  // what moves into a folder without a durable name would go with it
  if (isMade) await syncTree(disk, path, manifest)
  for (const kind of ['file', 'symlink'] as const) {
    await eachLimited(entries, AT_ONCE, async entry => {
      if (entry.kind !== kind) return
      try {
        await disk.rename(join(temp, entry.path), join(path, entry.path))
      } catch (err) {
        // A link that was not made has nothing to move.
        if (kind === 'file' || systemCode(err) !== 'ENOENT') throw err
      }
    })
  }
  // before the folders that they came from go, and their old names with these
  await syncTree(disk, path, manifest)
  for (const entry of entries.toReversed()) {
    if (entry.kind === 'directory') await disk.rmdir(join(temp, entry.path)).catch(() => {})
  }
}

/** The names in every folder of the content. */
async function syncTree(disk: Disk, base: string, { entries }: Manifest): Promise<void> {
  await eachLimited(entries, AT_ONCE, async entry => {
    if (entry.kind === 'directory') await syncFolder(disk, join(base, entry.path))
  })
}

export interface UndoneMove extends Move {
  /** Identity of the temporary file or folder. */
  readonly id: string
  /** What was recorded of each entry's file before the move; empty where an older version began it. */
  readonly prints: ReadonlyMap<number, FileFingerprint>
}

/** After a crash while a fetch was moved into place: brings everything back under the temporary name. */
export async function undoMove(disk: Disk, { temp, id, path, manifest, prints }: UndoneMove): Promise<void> {
  try {
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
    const isOurs = (index: number, size: number, { ino, size: found }: FileStats) => {
      if (Number(found) !== size) return false
      return prints.size === 0 ? !isTempGone : prints.get(index)?.ino === ino
    }
    // it was merged, or a part of it, into a folder that was there
    const moved: string[] = []
    await eachLimited(manifest.entries.entries(), AT_ONCE, async ([index, entry]) => {
      if (entry.kind !== 'file') return
      const stats = await statOf(disk, join(path, entry.path))
      if (stats?.isFile() === true && isOurs(index, entry.size, stats)) moved.push(entry.path)
    })
    if (moved.length === 0) return
    for (const entry of manifest.entries) {
      if (entry.kind === 'directory') await disk.mkdirs(join(temp, entry.path))
    }
    // what moves into a folder without a durable name would go with it
    await syncTree(disk, temp, manifest)
    await syncFolder(disk, dirname(temp))
    for (const name of moved) {
      const to = join(temp, name)
      if ((await statOf(disk, to)) === undefined) await disk.rename(join(path, name), to)
    }
    await syncTree(disk, temp, manifest)
  } catch (err) {
    throw fromSystemError(err, path)
  }
}
