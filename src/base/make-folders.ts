import { mkdir, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { systemCode } from './errors.ts'

/**
 * Makes a folder and those it lies in, where they are missing, one after another: a recursive mkdir of Node's tries for
 * ever where a file system answers ENOENT to whatever is made in it, as /proc does.
 * @param path absolute @param mode of the folders that are made
 * @throws the system's error; EEXIST where something else has the name
 */
export async function makeFolders(path: string, mode: number): Promise<void> {
  try {
    await mkdir(path, mode)
  } catch (err) {
    if (await isFolder(path)) return
    const parent = dirname(path)
    if (systemCode(err) !== 'ENOENT' || parent === path) throw err
    await makeFolders(parent, mode)
    await mkdir(path, mode).catch(async again => {
      if (!(await isFolder(path))) throw again
    })
  }
}

async function isFolder(path: string): Promise<boolean> {
  return await stat(path).then(
    stats => stats.isDirectory(),
    () => false
  )
}
