/**
 * Deletes the files of a root that a fetch wrote, to make room, and the root with them. Only what is as the fetch left it
 * goes: a file that was changed, or is none of the content's, stays, and the folders that it lies in.
 *
 * The root's record becomes `evict/<id>`, synced, before the first file goes, and its other records stay until the last
 * has gone: a crash leaves the whole root, or a deletion that the next start ends. So no record ever names files that
 * are missing, and no file is left without a record.
 */
import { dirname, join } from 'node:path'
import type { Logger } from '../../base/log.ts'
import { fingerprintOf, sameFingerprint } from '../fingerprint.ts'
import type { Database } from './database.ts'
import { statOf } from './destination.ts'
import type { Disk } from './disk.ts'
import { syncFolder } from './make-folder.ts'
import { decodeRoot, evictKey, parseKey, rootKey } from './records.ts'
import { readRootCid } from './root-cid.ts'
import type { RootFiles } from './root-files.ts'
import { clearKinds } from './root-installer.ts'
import type { RootSet, RootSetInit } from './root-set.ts'
import type { StoredRoot } from './stored-root.ts'
import { inlineFaults } from './tree-faults.ts'

export interface Evicted {
  /** Bytes of the files that were deleted. */
  readonly freed: number
  /** Files that stay, as they are not as the fetch left them or could not be deleted. */
  readonly left: readonly string[]
}

export class RootEviction {
  readonly #disk: Disk
  readonly #db: Database
  readonly #log: Logger
  readonly #roots: RootSet

  constructor({ disk, db, log }: RootSetInit, roots: RootSet) {
    this.#disk = disk
    this.#db = db
    this.#log = log
    this.#roots = roots
  }

  /** @param root loaded and complete, or damaged; nobody reads it @throws where the records cannot be written */
  async evict(root: StoredRoot): Promise<Evicted> {
    const changed = await changedInline(root)
    await root.detach()
    // As with `remove`: the list first, else a crash right after the record went would be taken for a loss.
    await this.#roots.writeList(root)
    await this.#db.write(
      [
        { type: 'put', key: evictKey(root.id), value: root.recordBytes() },
        { type: 'del', key: rootKey(root.id) }
      ],
      { sync: true }
    )
    this.#roots.delete(root.cid)
    this.#roots.retire(root)
    await root.close()
    return await this.#finish(root, changed)
  }

  /**
   * Goes on with what a crash broke off. To be called before any root is added.
   * @returns ids whose files cannot be reached now, as their drive is away: their records are to stay
   */
  async resume(): Promise<ReadonlySet<number>> {
    const waiting = new Set<number>()
    for await (const { key, value } of this.#db.entries('evict/')) {
      const id = parseKey(key)?.id
      const record = value === 'damaged' ? undefined : decodeRoot(value)
      const cid = record === undefined ? undefined : readRootCid(record.cid)
      if (id === undefined || record === undefined || cid === undefined) {
        await this.#db.write([{ type: 'del', key }], { sync: true })
        continue
      }
      this.#roots.keepId(id)
      const root = this.#roots.make(id, cid, record)
      await root.detach()
      try {
        if ((await statOf(this.#disk, dirname(root.path))) === undefined) waiting.add(id)
        else {
          await root.load()
          await this.#finish(root, await changedInline(root))
        }
      } catch (err) {
        // Its manifest is lost, or the disk fails: the files are the user's now.
        this.#log.warn('%s: not all of it could be deleted: %s', root.path, err instanceof Error ? err.message : err)
        await this.#drop(id)
      } finally {
        await root.close()
      }
    }
    return waiting
  }

  async #finish(root: StoredRoot, changed: ReadonlySet<number>): Promise<Evicted> {
    const evicted = await deleteFiles(this.#disk, root.parts.files, changed)
    for (const path of evicted.left) this.#log.warn('%s is left: it is not as it was fetched', path)
    await this.#drop(root.id)
    return evicted
  }

  async #drop(id: number): Promise<void> {
    // First of all: without the others it would pass for a loss. What a crash leaves of them the next start deletes.
    await this.#db.write([{ type: 'del', key: evictKey(id) }], { sync: true })
    await clearKinds(this.#db, id)
  }
}

/** Entries that are not as they were fetched, whatever their fingerprints say. */
async function changedInline(root: StoredRoot): Promise<ReadonlySet<number>> {
  const faults = await inlineFaults(root.parts.files, index => root.readNode(index))
  return new Set(faults.map(({ entry }) => entry))
}

/**
 * Never through a symbolic link in the place of a folder: what it leads to was put there by somebody else. Durable when
 * it resolves.
 */
async function deleteFiles(
  disk: Disk,
  { manifest, base, prints }: RootFiles,
  changed: ReadonlySet<number>
): Promise<Evicted> {
  let freed = 0
  let shut: string | undefined
  const left: string[] = []
  const emptied: string[] = []
  const folders = new Set([dirname(base)])
  for (const [index, entry] of manifest.entries.entries()) {
    const path = entry.path === '' ? base : join(base, entry.path)
    // entries are in pre-order: what lies in a folder follows it
    if (shut !== undefined && path.startsWith(`${shut}/`)) continue
    const stats = await statOf(disk, path)
    if (stats === undefined) continue
    if (entry.kind === 'directory') {
      if (stats.isDirectory()) emptied.push(path)
      else {
        shut = path
        left.push(path)
      }
      continue
    }
    const print = prints.get(index)
    const isAsFetched =
      entry.kind === 'file'
        ? stats.isFile() &&
          Number(stats.size) === entry.size &&
          print?.altered === false &&
          !changed.has(index) &&
          sameFingerprint(print, fingerprintOf(stats))
        : stats.isSymbolicLink() && (await disk.readlink(path)) === entry.target
    const isGone =
      isAsFetched &&
      (await disk.unlink(path).then(
        () => true,
        () => false
      ))
    if (!isGone) left.push(path)
    else {
      folders.add(dirname(path))
      if (entry.kind === 'file') freed += Number(stats.size)
    }
  }
  for (const path of emptied.toReversed()) {
    // Not where something of the user's is in it.
    await disk.rmdir(path).then(
      () => folders.add(dirname(path)),
      () => {}
    )
  }
  for (const folder of folders) await syncFolder(disk, folder)
  return { freed, left }
}
