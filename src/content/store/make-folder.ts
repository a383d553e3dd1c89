import { mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import { systemCode } from '../../base/errors.ts'

/**
 * Makes a folder and those it lies in, where they are missing. Node's recursive mkdir answers ENOENT on a read-only
 * file system, a plain one says what is wrong.
 * @param mode of the folders that are made
 * @throws the system's error
 */
export async function makeFolder(path: string, mode = 0o777): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode })
  } catch (err) {
    if (systemCode(err) !== 'ENOENT') throw err
    if (dirname(path) !== path) await makeFolder(dirname(path), mode)
    await mkdir(path, { mode })
  }
}
