/** Where a fetch goes, and whether it may: the checks that come before any network. */
import { constants } from 'node:fs'
import { access, lstat, stat } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { fromSystemError, ShoalError, systemCode } from '../base/errors.ts'

export interface Destination {
  /** Absolute, without a trailing slash. */
  path: string
  /** What is there now. */
  exists: 'nothing' | 'file' | 'folder' | 'other'
}

/**
 * An existing folder given as `to` takes the content below it under `name`; anything else is the destination itself.
 * @throws ERR_PATH_NOT_FOUND, ERR_NO_PERMISSION, ERR_NOT_FILE_OR_FOLDER
 */
export async function resolveDestination(to: string | undefined, name: string): Promise<Destination> {
  const given = resolve(to ?? name)
  const path = to !== undefined && (await kindOf(given, true)) === 'folder' ? join(given, name) : given
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
