/**
 * What nothing refers to any more: temporary files that were noted for deletion, records without a root, and partial
 * files of fetches that are forgotten. The last are only named unless the caller says otherwise: they may be hours of
 * somebody's line. Deleted is what is proved to be ours: a ledger says which file was made (`identityOf`).
 */
import { dirname, join } from 'node:path'
import { identityOf } from '../fingerprint.ts'
import type { Database } from './database.ts'
import { statOf } from './destination.ts'
import type { Disk, FileStats } from './disk.ts'
import { kindPrefix, parseKey, ROOT_KINDS } from './records.ts'
import type { RootSet } from './root-set.ts'
import { forgetTempOps, knownTemps } from './temp-ledger.ts'
import { isTempName } from './temp-name.ts'
import type { Trash } from './trash.ts'

export interface CollectOptions {
  /** Nothing is changed. */
  readonly dryRun: boolean
  /** Delete partial files that no fetch knows any more. */
  readonly deletePartials: boolean
}

export interface GarbageItem {
  /**
   * `temporary`: noted for deletion, and not deleted so far; `partial`: a fetch made it that is forgotten, or it has the
   * name of one; `records`: of no root; `cache`, `journal`: in the data folder, see docs/storage.md.
   */
  readonly kind: 'temporary' | 'partial' | 'records' | 'cache' | 'journal'
  readonly path: string
  /** Bytes; of sparse files those they claim. */
  readonly size: number
  /** `garbage`: would be deleted, were this no dry run. */
  readonly fate: 'deleted' | 'garbage' | 'kept'
  /** Why it is kept. */
  readonly reason: string | null
}

export interface Garbage {
  readonly items: GarbageItem[]
  /** Bytes on disk of the store's own records, before and after. */
  readonly storeBefore: number
  readonly storeAfter: number
}

export interface GarbageHost {
  readonly disk: Disk
  readonly db: Database
  readonly trash: Trash
  readonly roots: RootSet
}

/** @param options.isBusy a root is being changed: what belongs to none may be its own */
export async function collectGarbage(
  host: GarbageHost,
  options: CollectOptions & { readonly isBusy: boolean }
): Promise<Garbage> {
  const { disk, db } = host
  const storeBefore = await sizeOfFolder(disk, db.folder)
  const items: GarbageItem[] = []
  if (!options.isBusy) {
    items.push(...(await collectTrash(host, options)))
    items.push(...(await collectRecords(host, options)))
    items.push(...(await collectPartials(host, options)))
  }
  if (!options.dryRun) await db.compact()
  return { items, storeBefore, storeAfter: await sizeOfFolder(disk, db.folder) }
}

async function collectTrash({ disk, trash, roots }: GarbageHost, { dryRun }: CollectOptions): Promise<GarbageItem[]> {
  const items: GarbageItem[] = []
  const needed = tempsOf(roots)
  for (const { path, id } of await trash.list()) {
    const stats = await statOf(disk, path).catch(() => undefined)
    if (needed.has(path) || stats === undefined || identityOf(stats) !== id) continue
    const item = { kind: 'temporary', path, size: await sizeOf(disk, path, stats) } as const
    if (dryRun) items.push({ ...item, fate: 'garbage', reason: null })
    else if (await trash.discard(path, id)) items.push({ ...item, fate: 'deleted', reason: null })
    else items.push({ ...item, fate: 'kept', reason: 'it could not be deleted' })
  }
  return items
}

/** Records under ids without a root: a deletion that failed left them. */
async function collectRecords({ db, roots }: GarbageHost, { dryRun }: CollectOptions): Promise<GarbageItem[]> {
  const known = new Set(roots.list().map(({ id }) => id))
  for await (const key of db.keys('evict/')) known.add(parseKey(key)?.id ?? -1)
  const items: GarbageItem[] = []
  for (const kind of ROOT_KINDS) {
    for (let from = `${kind}/`; ; ) {
      const key = await db.firstKey(`${kind}/`, from)
      const id = key === undefined ? undefined : parseKey(key)?.id
      if (id === undefined) break
      const prefix = kindPrefix(kind, id)
      from = `${prefix}\uffff`
      if (known.has(id)) continue
      const size = await db.approximateSize(prefix)
      if (!dryRun) await db.clear(prefix)
      items.push({
        kind: 'records',
        path: join(db.folder, prefix),
        size,
        fate: dryRun ? 'garbage' : 'deleted',
        reason: null
      })
    }
  }
  return items
}

/** What the ledger knows and no root has; and what lies beside it, or beside a root, under such a name. */
async function collectPartials(host: GarbageHost, options: CollectOptions): Promise<GarbageItem[]> {
  const { disk, db, trash, roots } = host
  const needed = tempsOf(roots)
  for (const { path } of await trash.list()) needed.add(path)
  const items: GarbageItem[] = []
  const folders = new Set(roots.list().map(({ path }) => dirname(path)))
  for (const { path, id } of await knownTemps(db)) {
    folders.add(dirname(path))
    if (needed.has(path)) continue
    needed.add(path)
    const stats = await statOf(disk, path).catch(() => undefined)
    const isThere = stats !== undefined && identityOf(stats) === id && isTempName(path)
    if (isThere) items.push(await partial(host, { path, size: await sizeOf(disk, path, stats) }, options))
    // A drive that is away keeps its place in the ledger.
    const isGone = !isThere && (await statOf(disk, dirname(path)).catch(() => undefined)) !== undefined
    if (isGone && !options.dryRun) await db.write(forgetTempOps(path), { sync: false })
    if (isGone) needed.delete(path)
  }
  for (const folder of folders) {
    for (const name of await disk.readdir(folder).catch(() => [])) {
      const path = join(folder, name)
      if (!isTempName(name) || needed.has(path)) continue
      const stats = await statOf(disk, path).catch(() => undefined)
      if (stats === undefined) continue
      const reason = 'it is not known here: another data folder may be fetching it'
      items.push({ kind: 'partial', path, size: await sizeOf(disk, path, stats), fate: 'kept', reason })
    }
  }
  return items
}

async function partial(
  { disk, trash }: GarbageHost,
  { path, size }: { readonly path: string; readonly size: number },
  { dryRun, deletePartials }: CollectOptions
): Promise<GarbageItem> {
  const item = { kind: 'partial', path, size } as const
  if (!deletePartials) return { ...item, fate: 'kept', reason: 'a get to the same place takes it up again' }
  if (dryRun) return { ...item, fate: 'garbage', reason: null }
  const stats = await statOf(disk, path)
  const isGone = stats !== undefined && (await trash.discard(path, identityOf(stats)))
  return isGone
    ? { ...item, fate: 'deleted', reason: null }
    : { ...item, fate: 'kept', reason: 'it could not be deleted' }
}

function tempsOf(roots: RootSet): Set<string> {
  return new Set(roots.list().flatMap(({ temp }) => (temp === null ? [] : [temp])))
}

/** Of a file, or of all files in a folder; what cannot be looked at counts as nothing. */
async function sizeOf(disk: Disk, path: string, stats: FileStats): Promise<number> {
  return stats.isDirectory() ? await sizeOfFolder(disk, path) : Number(stats.size)
}

export async function sizeOfFolder(disk: Disk, folder: string): Promise<number> {
  let sum = 0
  for (const name of await disk.readdir(folder).catch(() => [])) {
    const path = join(folder, name)
    const stats = await disk.lstat(path).catch(() => undefined)
    if (stats !== undefined) sum += await sizeOf(disk, path, stats)
  }
  return sum
}
