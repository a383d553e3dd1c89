/** The data folder: made for its owner alone when it is absent. */
import { constants } from 'node:fs'
import { access, mkdir, stat } from 'node:fs/promises'
import { fromSystemError, ShoalError } from '../base/errors.ts'

/** @throws ERR_NO_PERMISSION, ERR_PATH_NOT_FOUND, ERR_READ_ONLY, ERR_NO_SPACE, ERR_STORE_UNREADABLE */
export async function makeDataDir(dataDir: string): Promise<void> {
  try {
    await mkdir(dataDir, { recursive: true, mode: 0o700 })
    const stats = await stat(dataDir)
    if (!stats.isDirectory()) {
      throw new ShoalError('ERR_STORE_UNREADABLE', `${dataDir} is no folder`, {
        hint: 'choose another with --data-dir'
      })
    }
    await access(dataDir, constants.R_OK | constants.W_OK | constants.X_OK)
  } catch (err) {
    if (err instanceof Error && 'code' in err && err.code === 'EEXIST') {
      throw new ShoalError('ERR_STORE_UNREADABLE', `${dataDir} is no folder`, {
        cause: err,
        hint: 'choose another with --data-dir'
      })
    }
    throw fromSystemError(err, dataDir)
  }
}
