/** Where a fetch goes: checked and claimed before the first byte. */
import { dirname, join } from 'node:path'
import { fromSystemError, ShoalError, systemCode } from '../../base/errors.ts'
import { formatBytes, MIB } from '../../base/units.ts'
import { identityOf } from '../fingerprint.ts'
import type { Manifest } from '../manifest.ts'
import type { Disk, FileStats } from './disk.ts'
import { makeFolder, syncFolder } from './make-folder.ts'

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

/** @param force what is there is nothing that `--force` replaces */
export function existsError(path: string, more = '', { force = false } = {}): ShoalError {
  return new ShoalError('ERR_EXISTS', `${path} exists already${more}`, {
    hint: force ? 'choose another place with -o' : 'choose another place with -o, or replace it with --force',
    details: { path }
  })
}

/** @throws ERR_EXISTS for a named pipe, a socket, a device: whoever uses it does not expect it to become a file */
export function refuseSpecial(path: string, stats: FileStats, more = ''): void {
  if (stats.isFile() || stats.isDirectory() || stats.isSymbolicLink()) return
  const kind = stats.isFIFO?.() === true ? 'a named pipe' : stats.isSocket?.() === true ? 'a socket' : 'a device'
  throw existsError(path, ` and is ${kind}, which is never replaced${more}`, { force: true })
}

export function inTheWayError(path: string, of: string): ShoalError {
  return new ShoalError('ERR_EXISTS', `${path} is in the way of ${of}`, {
    hint: 'move it away and run the same command again',
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

/**
 * Looks for the longest path and the longest name of the content, which the system answers with what is wrong: else that
 * would show when all the rest was fetched.
 * @throws ERR_IO where one is too long at this place
 */
export async function checkNames(disk: Disk, temp: string, { entries }: Manifest): Promise<void> {
  let [path, name] = ['', '']
  for (const entry of entries) {
    // a link that cannot be made is skipped
    if (entry.kind === 'symlink') continue
    if (Buffer.byteLength(entry.path) > Buffer.byteLength(path)) path = entry.path
    const last = entry.path.slice(entry.path.lastIndexOf('/') + 1)
    if (Buffer.byteLength(last) > Buffer.byteLength(name)) name = last
  }
  // names are looked up one after another: only where its folder is there a name is found to be too long
  for (const at of [join(temp, path), join(dirname(temp), name)]) {
    await disk.lstat(at).catch((err: unknown) => {
      if (systemCode(err) === 'ENAMETOOLONG') throw fromSystemError(err, at)
    })
  }
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
export function probeIn(folder: string, { entries }: Manifest): string {
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
 * @returns the identity of a temporary file or folder that is there and can be taken over; undefined where there is none
 * @throws ERR_EXISTS where something else has its name, or something else lies in it
 */
export async function findTemp(disk: Disk, temp: string, manifest: Manifest): Promise<string | undefined> {
  const folder = isFolderRoot(manifest)
  const old = await statOf(disk, temp)
  if (old === undefined) return undefined
  const isOurs = (folder ? old.isDirectory() : old.isFile()) && Number(old.uid) === process.geteuid?.()
  if (!isOurs) throw inTheWayError(temp, `the temporary ${folder ? 'folder' : 'file'}`)
  const other = folder ? await findOther(disk, temp, manifest) : undefined
  // it would move into place with the rest
  if (other !== undefined) throw inTheWayError(other, `the fetch that goes on in ${temp}: it is none of the content`)
  return identityOf(old)
}

/**
 * Makes the temporary file or folder, its name durable, or takes over one that a lost data folder left behind.
 * @throws what findTemp throws; ERR_IO, ERR_NO_SPACE, … where it cannot be made
 */
export async function claimTemp(
  disk: Disk,
  temp: string,
  manifest: Manifest
): Promise<{ id: string; adopted: boolean }> {
  const folder = isFolderRoot(manifest)
  const found = await findTemp(disk, temp, manifest)
  if (found !== undefined) return { id: found, adopted: true }
  let isMade = false
  try {
    if (folder) {
      await disk.mkdir(temp)
      isMade = true
      // Better now than after the first piece.
      await probeFolder(disk, probeIn(temp, manifest))
      await syncFolder(disk, dirname(temp))
    } else {
      const file = await disk.open(temp, 'write')
      isMade = true
      const entry = manifest.entries[0]
      try {
        // while it is empty: else nobody knows that it may go
        await syncFolder(disk, dirname(temp))
        await file.truncate(entry?.kind === 'file' ? entry.size : 0)
      } finally {
        await file.close()
      }
    }
    return { id: identityOf(await disk.lstat(temp)), adopted: false }
  } catch (err) {
    if (isMade) await dropEmpty(disk, temp).catch(() => {})
    throw fromSystemError(err, temp)
  }
}

/** @returns what lies in an unfinished folder and has no name of the content; undefined where there is no such thing */
async function findOther(disk: Disk, temp: string, manifest: Manifest): Promise<string | undefined> {
  // a file system may write a name in another way
  const plain = (path: string) => path.normalize('NFC').toLowerCase()
  const known = new Set([...manifest.entries.map(({ path }) => join(temp, path)), probeIn(temp, manifest)].map(plain))
  for (const { kind, path } of manifest.entries) {
    if (kind !== 'directory') continue
    const folder = join(temp, path)
    if ((await statOf(disk, folder))?.isDirectory() !== true) continue
    for (const name of await disk.readdir(folder)) if (!known.has(plain(join(folder, name)))) return join(folder, name)
  }
  return undefined
}

/** Nobody has written to it, or it stays. */
async function dropEmpty(disk: Disk, temp: string): Promise<void> {
  const stats = await disk.lstat(temp)
  if (stats.isDirectory()) await disk.rmdir(temp)
  else if (stats.size === 0n) await disk.unlink(temp)
}
