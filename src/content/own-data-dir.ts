/**
 * The node's data folder among what a user shares or hashes: its key and its records are for nobody else. It is told by
 * device and inode, so that no other name of it leads around.
 */
import { lstat, stat } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import { ShoalError, systemCode } from '../base/errors.ts'

/** What was fetched for others lies there: content, and nothing else. */
const CACHE = 'cache'

export interface FolderIdentity {
  readonly dev: bigint
  readonly ino: bigint
}

/** Undefined where there is none: nothing can be in it then. */
export async function folderIdentity(path: string): Promise<FolderIdentity | undefined> {
  try {
    const { dev, ino } = await stat(path, { bigint: true })
    return { dev, ino }
  } catch (err) {
    if (systemCode(err) === undefined) throw err
    return undefined
  }
}

/** Whether it is that very folder. A symbolic link to it is not. */
export async function isFolder(path: string, { dev, ino }: FolderIdentity): Promise<boolean> {
  const stats = await lstat(path, { bigint: true })
  return stats.ino === ino && stats.dev === dev
}

/**
 * @param path absolute, its symbolic links resolved
 * @param asked as the user named it
 * @throws ERR_USAGE where it is the data folder or lies in it, outside of its cache; system errors as they are
 */
export async function refuseDataDir(path: string, asked: string, dataDir: FolderIdentity): Promise<void> {
  let below = ''
  for (let at = path; ; at = dirname(at)) {
    if (await isFolder(at, dataDir)) {
      if (below === CACHE) return
      throw new ShoalError('ERR_USAGE', `${asked} is ${below === '' ? '' : 'in '}this node's data folder`, {
        hint: 'it holds the key of this node; share what you mean by its own path, outside of it',
        details: { path }
      })
    }
    if (dirname(at) === at) return
    below = basename(at)
  }
}
