/** Where a fetch goes: checked and claimed before the first byte, moved into place after the last. */
import type { BigIntStats } from 'node:fs'
import { link, lstat, mkdir, open, readdir, rename, rmdir, statfs, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fromSystemError, ShoalError, systemCode } from '../../base/errors.ts'
import { formatBytes } from '../../base/units.ts'
import { identityOf } from '../fingerprint.ts'
import type { Manifest } from '../manifest.ts'
import { syncFolder } from './database.ts'
import { WRITE_FLAGS } from './file-handles.ts'
import { eachLimited } from './limit.ts'
import { makeFolder } from './make-folder.ts'

const AT_ONCE = 16

/** `lstat`; undefined where there is nothing. */
export async function statOf(path: string): Promise<BigIntStats | undefined> {
  try {
    return await lstat(path, { bigint: true })
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
export async function makeParent(path: string): Promise<void> {
  const parent = dirname(path)
  try {
    await makeFolder(parent)
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
export async function checkSpace(path: string, bytes: number): Promise<void> {
  const stats = await statfs(dirname(path)).catch(() => undefined)
  // Some file systems state no size at all.
  if (stats === undefined || stats.blocks === 0) return
  const free = stats.bavail * stats.bsize
  if (free >= bytes) return
  throw new ShoalError('ERR_NO_SPACE', `${path} needs ${formatBytes(bytes)}, and ${formatBytes(free)} are free`, {
    hint: 'free some space, or choose another place with -o',
    details: { path, bytes, free }
  })
}

/**
 * Makes the temporary file or folder, or takes over one that a lost data folder left behind.
 * @throws ERR_EXISTS where something else has its name
 */
export async function claimTemp(temp: string, manifest: Manifest): Promise<{ id: string; adopted: boolean }> {
  const folder = isFolderRoot(manifest)
  const old = await statOf(temp)
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
      await mkdir(temp)
      // Made, but not for us to write in (a default ACL, an odd umask): better now than after the first piece.
      const probe = join(temp, '.shoal-probe')
      await (await open(probe, WRITE_FLAGS, 0o600)).close()
      await unlink(probe)
    } else {
      const handle = await open(temp, WRITE_FLAGS, 0o666)
      const entry = manifest.entries[0]
      try {
        await handle.truncate(entry?.kind === 'file' ? entry.size : 0)
      } finally {
        await handle.close()
      }
    }
    return { id: identityOf(await lstat(temp, { bigint: true })), adopted: false }
  } catch (err) {
    throw fromSystemError(err, temp)
  }
}

/** Moves a complete fetch into place. @throws ERR_EXISTS; then nothing was moved */
export async function moveIntoPlace(temp: string, path: string, manifest: Manifest, force: boolean): Promise<void> {
  try {
    if (!isFolderRoot(manifest)) await moveFile(temp, path, force)
    else if (force && (await statOf(path)) !== undefined) await mergeFolder(temp, path, manifest)
    else await moveFolder(temp, path)
    await syncFolder(dirname(path))
  } catch (err) {
    throw fromSystemError(err, path)
  }
}

const kept = (temp: string) => `; the complete content is kept in ${temp}`

async function moveFile(temp: string, path: string, force: boolean): Promise<void> {
  if (force) {
    if ((await statOf(path))?.isDirectory() === true) {
      throw existsError(path, ` and is a folder, where a file should go${kept(temp)}`)
    }
    return await rename(temp, path)
  }
  try {
    // Unlike rename, link never replaces.
    await link(temp, path)
  } catch {
    const there = await statOf(path)
    if (there !== undefined && there.ino !== (await statOf(temp))?.ino) throw existsError(path, kept(temp))
    if (there === undefined) return await rename(temp, path)
  }
  await unlink(temp)
}

async function moveFolder(temp: string, path: string): Promise<void> {
  try {
    // rename replaces an empty folder, and mkdir makes sure that it is ours.
    await mkdir(path)
  } catch (err) {
    if (systemCode(err) === 'EEXIST') throw existsError(path, kept(temp))
    throw err
  }
  try {
    await rename(temp, path)
  } catch (err) {
    await rmdir(path).catch(() => {})
    throw err
  }
}

/** Files of the content replace files of the same name; nothing else is touched. */
async function mergeFolder(temp: string, path: string, manifest: Manifest): Promise<void> {
  const { entries } = manifest
  await eachLimited(entries, AT_ONCE, async entry => {
    const at = join(path, entry.path)
    const there = await statOf(at)
    if (there === undefined) return
    const fits = entry.kind === 'directory' ? there.isDirectory() : there.isFile() || there.isSymbolicLink()
    if (!fits) {
      const wanted = entry.kind === 'directory' ? 'a folder' : 'a file'
      throw existsError(at, ` and is something else, where ${wanted} should go${kept(temp)}`)
    }
  })
  for (const entry of entries) {
    if (entry.kind === 'directory' && (await statOf(join(path, entry.path))) === undefined) {
      await mkdir(join(path, entry.path))
    }
  }
  for (const kind of ['file', 'symlink'] as const) {
    await eachLimited(entries, AT_ONCE, async entry => {
      if (entry.kind !== kind) return
      try {
        await rename(join(temp, entry.path), join(path, entry.path))
      } catch (err) {
        // A link that was not made has nothing to move.
        if (kind === 'file' || systemCode(err) !== 'ENOENT') throw err
      }
    })
  }
  for (const entry of entries.toReversed()) {
    if (entry.kind === 'directory') await rmdir(join(temp, entry.path)).catch(() => {})
  }
}

/**
 * After a crash while a fetch was moved into place: brings everything back under the temporary name.
 * @param id identity of the temporary file or folder
 */
export async function undoMove(temp: string, id: string, path: string, manifest: Manifest): Promise<void> {
  try {
    const there = await statOf(path)
    if (there === undefined) return
    if ((await statOf(temp)) === undefined) {
      if (identityOf(there) === id) await rename(path, temp)
      return
    }
    if (!isFolderRoot(manifest)) return
    if ((await readdir(path)).length === 0) return await rmdir(path)
    for (const entry of manifest.entries) {
      const [from, to] = [join(path, entry.path), join(temp, entry.path)]
      if (entry.kind === 'directory') await mkdir(to, { recursive: true })
      if (entry.kind !== 'file' || (await statOf(to)) !== undefined) continue
      const stats = await statOf(from)
      if (stats?.isFile() === true && Number(stats.size) === entry.size) await rename(from, to)
    }
  } catch (err) {
    throw fromSystemError(err, path)
  }
}
