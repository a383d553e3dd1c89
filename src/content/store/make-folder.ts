import { dirname } from 'node:path'
import { systemCode } from '../../base/errors.ts'
import type { Disk } from './disk.ts'

/**
 * Makes a folder and those it lies in, where they are missing. A recursive mkdir answers ENOENT on a read-only file
 * system, a plain one says what is wrong.
 * @param mode of the folders that are made
 * @throws the system's error
 */
export async function makeFolder(disk: Disk, path: string, mode = 0o777): Promise<void> {
  try {
    await disk.mkdirs(path, mode)
  } catch (err) {
    if (systemCode(err) !== 'ENOENT') throw err
    if (dirname(path) !== path) await makeFolder(disk, dirname(path), mode)
    await disk.mkdir(path, mode)
  }
}
