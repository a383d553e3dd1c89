/** Opens a store's records: reads its roots, deletes what a crash left behind, and says what was lost. */
import { MIB } from '../../base/units.ts'
import { RAW } from '../cid.ts'
import { printable } from '../safe-path.ts'
import type { Database } from './database.ts'
import { decodeRoot, kindPrefix, parseKey, ROOT_KINDS, STORE_VERSION, versionKey } from './records.ts'
import { readRootCid } from './root-cid.ts'
import { RootEviction } from './root-eviction.ts'
import { RootSet, type RootSetInit } from './root-set.ts'
import { type ListedRoot, versionError } from './roots-list.ts'
import { Trash } from './trash.ts'

/** A store with fewer bytes of DAG nodes is checked whole when it is opened; a larger one root by root as it is loaded. */
const CHECKED_NODE_BYTES = 16 * MIB

/**
 * @param listed the roots that are said to be there
 * @throws ERR_STORE_VERSION; ERR_STORE_DAMAGED where LevelDB itself is
 */
export async function recoverRoots(init: RootSetInit, listed: readonly ListedRoot[]): Promise<RootSet> {
  const { damage } = init
  const roots = new RootSet(init)
  const isNew = await checkVersion(init.db)
  await readRoots(init, roots)
  const evicting = await new RootEviction(init, roots).resume()
  await sweep(init.db, roots, evicting)
  const temps = new Set(roots.list().map(({ temp }) => temp))
  await new Trash(init).empty(temp => temps.has(temp))
  for (const { cid, name, path } of listed) {
    const parsed = readRootCid(cid)
    if (parsed !== undefined && roots.get(parsed) !== undefined) continue
    damage.add(`the record of ${printable(name)} (${cid}) at ${printable(path)} was lost: share or get it again`)
  }
  await checkNodes(init, roots)
  if (isNew || !roots.isListed(listed)) await roots.writeList()
  return roots
}

/** @returns whether the store was new */
async function checkVersion(db: Database): Promise<boolean> {
  const version = await db.get(versionKey)
  if (version !== undefined && version !== 'damaged') {
    const number = Number(Buffer.from(version).toString())
    if (number > STORE_VERSION) throw versionError(db.folder, number)
    return false
  }
  await db.write([{ type: 'put', key: versionKey, value: Buffer.from(String(STORE_VERSION)) }], { sync: true })
  return true
}

async function readRoots({ db, damage }: RootSetInit, roots: RootSet): Promise<void> {
  for await (const { key, value } of db.entries('root/')) {
    const id = parseKey(key)?.id
    const record = value === 'damaged' ? undefined : decodeRoot(value)
    const cid = record === undefined ? undefined : readRootCid(record.cid)
    if (id === undefined || record === undefined || cid === undefined) {
      await db.write([{ type: 'del', key }], { sync: true })
      damage.add('the record of a root was damaged and dropped')
      continue
    }
    roots.keepId(id)
    // The newer one of two was not finished: its last batch would have deleted the older.
    if (roots.get(cid) !== undefined) await db.write([{ type: 'del', key }], { sync: true })
    else roots.set(roots.make(id, cid, record))
  }
}

/** Deletes what a crash left under an id without a root. */
async function sweep(db: Database, roots: RootSet, evicting: ReadonlySet<number>): Promise<void> {
  const known = new Set([...roots.list().map(({ id }) => id), ...evicting])
  for (const kind of ROOT_KINDS) {
    let from = `${kind}/`
    for (;;) {
      const key = await db.firstKey(`${kind}/`, from)
      if (key === undefined) break
      const id = parseKey(key)?.id
      if (id === undefined) {
        await db.write([{ type: 'del', key }], { sync: false })
        from = key
        continue
      }
      if (!known.has(id)) await db.clear(kindPrefix(kind, id))
      roots.keepId(id)
      from = `${kindPrefix(kind, id)}\uffff`
    }
  }
}

/** Finds roots whose DAG nodes are damaged, where that costs little. */
async function checkNodes({ db, damage, log }: RootSetInit, roots: RootSet): Promise<void> {
  if (damage.sentences.length === 0 && (await db.approximateSize('node/')) > CHECKED_NODE_BYTES) return
  const good = new Map<number, number>()
  for await (const { key, value } of db.entries('node/')) {
    const id = parseKey(key)?.id
    if (id !== undefined && value !== 'damaged') good.set(id, (good.get(id) ?? 0) + 1)
  }
  for (const root of roots.list()) {
    if (root.cid.code === RAW || good.get(root.id) === root.nodeCount) continue
    await root.load().catch(err => log.warn('%s', err instanceof Error ? err.message : err))
  }
}
