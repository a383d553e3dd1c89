/** Whether a path may be shared or fetched to, as far as the node's data folder goes. */
import { realpath } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import { ShoalError } from '../base/errors.ts'
import { folderIdentity, isFolder, refuseDataDir } from '../content/own-data-dir.ts'

/** What the node writes into, below its data folder. */
const OWN_FOLDERS: ReadonlySet<string> = new Set(['store', 'hashed', 'cache'])

/** @throws ERR_USAGE where it is the data folder or lies in it, outside of its cache; system errors as they are */
export async function checkOutsideDataDir(path: string, dataDir: string): Promise<void> {
  const folder = await folderIdentity(dataDir)
  if (folder !== undefined) await refuseDataDir(await realpath(path), path, folder)
}

/**
 * A folder that somebody else made in the data folder may take what is fetched.
 * @param path absolute; the folder that it lies in is there
 * @throws ERR_USAGE where the node has its own files, or may have them one day; system errors as they are
 */
export async function refuseOwnPlace(path: string, dataDir: string): Promise<void> {
  const own = await folderIdentity(dataDir)
  if (own === undefined) return
  let below: string | undefined
  for (let at = await realpath(dirname(path)); ; at = dirname(at)) {
    if (await isFolder(at, own)) {
      if (below !== undefined && !OWN_FOLDERS.has(below)) return
      throw new ShoalError('ERR_USAGE', `${path} is in this node's data folder, among its own files`, {
        hint: 'choose another place with -o, or keep it for others with --cache',
        details: { path }
      })
    }
    if (dirname(at) === at) return
    below = basename(at)
  }
}
