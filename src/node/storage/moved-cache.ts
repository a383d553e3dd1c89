/**
 * Cached content after its data folder was moved, or copied: a root's record names an absolute path, in the folder as it
 * was. Where the content lies in this data folder's own cache it is that which is meant.
 */
import { stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import type { StoredRoot } from '../../content/store/stored-root.ts'
import { cacheFolder } from './cache-folder.ts'
import { realPathOf } from './real-path.ts'

type Recorded = Pick<StoredRoot, 'cid' | 'path' | 'temp' | 'source' | 'isLoaded' | 'update'>

/** Before a root is loaded. @param dataDir absolute */
export async function followMovedCache(dataDir: string, roots: readonly Recorded[]): Promise<void> {
  const cache = cacheFolder(dataDir)
  const real = await realPathOf(cache)
  for (const root of roots) {
    const folder = dirname(root.path)
    if (root.source !== 'get' || root.isLoaded || folder === cache) continue
    if (basename(root.path) !== root.cid.toString() || basename(folder) !== basename(cache)) continue
    if ((await realPathOf(folder)) === real) continue
    const now = (path: string) => join(cache, basename(path))
    if (!(await isThere(now(root.temp ?? root.path)))) continue
    // a place of the user's own that only looks alike stays what it is; of a folder that was copied each has its own
    if ((await isThere(root.temp ?? root.path)) && !(await isThere(join(folder, '..', 'store')))) continue
    await root.update({ path: now(root.path), temp: root.temp === null ? null : now(root.temp) })
  }
}

async function isThere(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    () => false
  )
}
