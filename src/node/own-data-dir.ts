/** Whether a path may be shared, as far as the data folder goes, before any node is asked. */
import { realpath } from 'node:fs/promises'
import { folderIdentity, refuseDataDir } from '../content/own-data-dir.ts'

/** @throws ERR_USAGE where it is the data folder or lies in it, outside of its cache; system errors as they are */
export async function checkOutsideDataDir(path: string, dataDir: string): Promise<void> {
  const folder = await folderIdentity(dataDir)
  if (folder !== undefined) await refuseDataDir(await realpath(path), path, folder)
}
