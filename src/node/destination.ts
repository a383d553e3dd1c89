/** Where a fetch goes, and whether it may: the checks that come before any network. */
import { constants } from 'node:fs'
import { access, lstat, realpath, stat } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { fromSystemError, ShoalError, systemCode } from '../base/errors.ts'

export interface Destination {
  /** Absolute, without a trailing slash. */
  path: string
  /** What is there now. */
  exists: 'nothing' | 'file' | 'folder' | 'other'
}

/** Where the node has the content already, or a part of it. */
export interface Held {
  readonly path: string
  readonly isFolder: boolean
}

/**
 * An existing folder given as `to` takes the content below it under `name`, unless it is the content's own, `held` there;
 * anything else is the destination itself. What is held keeps its path, however `to` spells it.
 * @throws ERR_PATH_NOT_FOUND, ERR_NO_PERMISSION, ERR_NOT_FILE_OR_FOLDER
 */
export async function resolveDestination(to: string | undefined, name: string, held?: Held): Promise<Destination> {
  const given = resolve(to ?? name)
  const isInto = to !== undefined && (await kindOf(given, true)) === 'folder'
  const isOwn = isInto && held?.isFolder === true && (await isSamePlace(given, held.path))
  const named = isInto && !isOwn ? join(given, name) : given
  const path = held !== undefined && (isOwn || (await isSameName(named, held.path))) ? held.path : named
  if (basename(path) === '') {
    throw new ShoalError('ERR_EXISTS', `${path} cannot be replaced`, { hint: 'choose another destination with -o' })
  }
  await checkWritable(dirname(path), path)
  return { path, exists: await kindOf(path, false) }
}

export async function kindOf(path: string, follow: boolean): Promise<Destination['exists']> {
  try {
    const stats = follow ? await stat(path) : await lstat(path)
    return stats.isDirectory() ? 'folder' : stats.isFile() ? 'file' : 'other'
  } catch (err) {
    if (systemCode(err) === 'ENOENT') return 'nothing'
    throw fromSystemError(err, path)
  }
}

/** Whether both lead to the same file or folder, through whatever symbolic links. Of what is not there: the same text. */
export async function isSamePlace(a: string, b: string): Promise<boolean> {
  return a === b || (await isSameReal(a, b))
}

/** Whether both are the same name in the same folder, whatever it is of. */
async function isSameName(a: string, b: string): Promise<boolean> {
  return a === b || (basename(a) === basename(b) && (await isSameReal(dirname(a), dirname(b))))
}

async function isSameReal(a: string, b: string): Promise<boolean> {
  const [realA, realB] = await Promise.all([a, b].map(path => realpath(path).catch(() => undefined)))
  return realA !== undefined && realA === realB
}

async function checkWritable(folder: string, destination: string): Promise<void> {
  try {
    const stats = await stat(folder)
    if (!stats.isDirectory()) {
      throw new ShoalError('ERR_PATH_NOT_FOUND', `${folder} is no folder, so ${destination} cannot be made`, {
        hint: 'choose another destination with -o'
      })
    }
    await access(folder, constants.W_OK | constants.X_OK)
  } catch (err) {
    if (systemCode(err) === 'ENOENT') {
      throw new ShoalError('ERR_PATH_NOT_FOUND', `the folder ${folder} does not exist`, {
        cause: err,
        hint: 'make it first, or choose another destination with -o'
      })
    }
    throw fromSystemError(err, folder)
  }
}
