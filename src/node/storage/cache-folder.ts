import { join } from 'node:path'

/** Where what the node may delete for room lies: `get --cache`, and what is read without having been fetched. */
export const cacheFolder = (dataDir: string) => join(dataDir, 'cache')
