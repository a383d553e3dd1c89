import { dirname, join } from 'node:path'
import { fromSystemError, systemCode } from '../../base/errors.ts'
import type { Disk } from './disk.ts'
import { eachLimited } from './limit.ts'

const AT_ONCE = 16

/** What file systems answer that cannot sync a folder, or let nobody but its owner open it. */
const CANNOT_SYNC = new Set(['EINVAL', 'ENOTSUP', 'ENOSYS', 'EISDIR', 'EBADF', 'EACCES', 'EPERM', 'ENOENT', 'ENOTDIR'])

/**
 * Makes a folder and those it lies in, where they are missing; their names are durable when it resolves. A recursive
 * mkdir answers ENOENT on a read-only file system, a plain one says what is wrong.
 * @param mode of the folders that are made
 * @throws the system's error
 */
export async function makeFolder(disk: Disk, path: string, mode = 0o777): Promise<void> {
  try {
    const first = await disk.mkdirs(path, mode)
    if (first === undefined) return
    for (let made = path; made.length >= first.length; made = dirname(made)) await syncFolder(disk, dirname(made))
  } catch (err) {
    if (systemCode(err) !== 'ENOENT') throw err
    if (dirname(path) !== path) await makeFolder(disk, dirname(path), mode)
    await disk.mkdir(path, mode)
  }
}

/**
 * Makes renames and new files in `folder` durable. Not every file system can: then it is no error.
 * @throws ERR_IO, ERR_NO_SPACE
 */
export async function syncFolder(disk: Disk, folder: string): Promise<void> {
  try {
    await disk.syncFolder(folder)
  } catch (err) {
    if (!CANNOT_SYNC.has(systemCode(err) ?? '')) throw fromSystemError(err, folder)
  }
}

/** The names in every folder of the content. */
export async function syncTree(
  disk: Disk,
  base: string,
  entries: ReadonlyArray<{ readonly kind: string; readonly path: string }>
): Promise<void> {
  await eachLimited(entries, AT_ONCE, async entry => {
    if (entry.kind === 'directory') await syncFolder(disk, join(base, entry.path))
  })
}
