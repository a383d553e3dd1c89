/** What nothing refers to any more in the data folder, besides the store: cached content, and journals of hashing. */
import { join } from 'node:path'
import { CID } from 'multiformats/cid'
import { staleJournals } from '../../content/hash-journal.ts'
import type { Disk } from '../../content/store/disk.ts'
import type { GarbageItem } from '../../content/store/garbage.ts'
import { sizeOfFolder } from '../../content/store/garbage.ts'
import type { StoredRoot } from '../../content/store/stored-root.ts'
import { cacheFolder } from './cache-folder.ts'
import { overlaps } from './footprint.ts'
import { realPathOf } from './real-path.ts'

export type HeldRoot = Pick<StoredRoot, 'path' | 'state' | 'isWhole'>

export interface TidyInit {
  readonly disk: Disk
  readonly dataDir: string
  readonly dryRun: boolean
  /** Ms since 1970. */
  readonly now: number
  /** Both are asked right before something is deleted: the root, where it is held, and where all lie that are. */
  readonly held: (cid: CID) => HeldRoot | undefined
  readonly paths: () => readonly string[]
  /** Runs where nobody fetches or reads the root, and keeps them waiting; else undefined. */
  readonly whileUnused: <T>(cid: string, work: () => Promise<T>) => Promise<T | undefined>
}

export async function tidyFolders(init: TidyInit): Promise<GarbageItem[]> {
  return [...(await tidyCache(init)), ...(await tidyJournals(init))]
}

/**
 * Content that was fetched into `cache/` and is of no root any more: what bears the CID of none there is its user's.
 * Unfinished fetches there are the ledger's.
 */
async function tidyCache(init: TidyInit): Promise<GarbageItem[]> {
  const { disk, dataDir, held, paths, whileUnused } = init
  const folder = cacheFolder(dataDir)
  const items: GarbageItem[] = []
  for (const name of await disk.readdir(folder).catch(() => [])) {
    const path = join(folder, name)
    const cid = cidOf(name)
    if (cid === undefined) continue
    const root = held(cid)
    // what is held here, as most of it is, needs no look at all that is held
    if (root?.path === path || !(await isElsewhere(root))) continue
    const stats = await disk.lstat(path).catch(() => undefined)
    if (stats === undefined) continue
    const size = stats.isDirectory() ? await sizeOfFolder(disk, path) : Number(stats.size)
    const item = await whileUnused(name, async () => {
      const real = await realPathOf(path)
      const others = await Promise.all(paths().map(realPathOf))
      if (held(cid) !== root || others.some(each => overlaps(each, real))) return undefined
      return await deleted(init, { kind: 'cache', path, size })
    })
    if (item !== undefined) items.push(item)
  }
  return items
}

/** Whether nothing held needs the cached content: it is held nowhere, or lies whole where its record says, as a look shows. */
async function isElsewhere(root: HeldRoot | undefined): Promise<boolean> {
  if (root === undefined) return true
  return root.state === 'complete' && (await root.isWhole().catch(() => false))
}

/** Undefined for a name that no fetch gives. */
function cidOf(name: string): CID | undefined {
  try {
    const cid = CID.parse(name)
    return cid.toString() === name ? cid : undefined
  } catch {
    return undefined
  }
}

async function tidyJournals(init: TidyInit): Promise<GarbageItem[]> {
  const items: GarbageItem[] = []
  for (const { path, size } of await staleJournals(init.dataDir, init.now)) {
    items.push(await deleted(init, { kind: 'journal', path, size }))
  }
  return items
}

async function deleted(
  { disk, dryRun }: TidyInit,
  item: Pick<GarbageItem, 'kind' | 'path' | 'size'>
): Promise<GarbageItem> {
  if (dryRun) return { ...item, fate: 'garbage', reason: null }
  return await disk.remove(item.path).then(
    () => ({ ...item, fate: 'deleted' as const, reason: null }),
    (err: unknown) => ({ ...item, fate: 'kept' as const, reason: err instanceof Error ? err.message : String(err) })
  )
}
