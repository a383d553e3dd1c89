/** The roots of a store by CID, the list of them beside LevelDB, and the ids that are given out. */
import type { CID } from 'multiformats/cid'
import type { Logger } from '../../base/log.ts'
import type { DiskThreads } from '../disk/disk-threads.ts'
import type { DamageReport } from './damage-report.ts'
import type { Database } from './database.ts'
import type { Disk } from './disk.ts'
import type { RootRecord } from './records.ts'
import { rootCidKey } from './root-cid.ts'
import { type ListedRoot, writeRootsList } from './roots-list.ts'
import { StoredRoot } from './stored-root.ts'

export interface RootSetInit {
  readonly disk: Disk
  readonly db: Database
  readonly damage: DamageReport
  readonly log: Logger
  /** For thousands of small files; without them each is written and synced from here. */
  readonly threads: DiskThreads | undefined
}

export class RootSet {
  readonly #init: RootSetInit
  readonly #roots = new Map<string, StoredRoot>()
  /** Replaced or removed, but perhaps still read from. */
  readonly #retired = new Set<StoredRoot>()
  #nextId = 1
  #listTurn: Promise<void> = Promise.resolve()

  constructor(init: RootSetInit) {
    this.#init = init
  }

  /** Oldest first. */
  list(): StoredRoot[] {
    return [...this.#roots.values()].sort((a, b) => a.addedAt - b.addedAt || a.id - b.id)
  }

  get(cid: CID): StoredRoot | undefined {
    return this.#roots.get(rootCidKey(cid))
  }

  /** In the place of another of the same CID. */
  set(root: StoredRoot): void {
    this.#roots.set(rootCidKey(root.cid), root)
  }

  delete(cid: CID): void {
    this.#roots.delete(rootCidKey(cid))
  }

  /** It is no longer one of the set, and closed with it. */
  retire(root: StoredRoot): void {
    this.#retired.add(root)
  }

  /** A root that is not one of the set yet. */
  make(id: number, cid: CID, record: RootRecord): StoredRoot {
    const { disk, db, damage, log, threads } = this.#init
    return new StoredRoot({ disk, db, id, cid, record, log, threads, onDamage: sentence => damage.add(sentence) })
  }

  takeId(): number {
    return this.#nextId++
  }

  /** An id that records still use is not given out again. */
  keepId(id: number): void {
    this.#nextId = Math.max(this.#nextId, id + 1)
  }

  /** Whether the list beside LevelDB names these roots and no others. */
  isListed(listed: readonly ListedRoot[]): boolean {
    const paths = new Map(listed.map(({ cid, path }) => [cid, path]))
    return paths.size === this.#roots.size && this.list().every(root => paths.get(root.cid.toString()) === root.path)
  }

  /**
   * Only a help for bad days, as LevelDB has the records: failing is no error.
   * @param leaving named no more, although it is there still
   */
  async writeList(leaving?: StoredRoot): Promise<void> {
    this.#listTurn = this.#listTurn
      .then(() =>
        writeRootsList(
          this.#init.disk,
          this.#init.db.folder,
          this.list()
            .filter(root => root !== leaving)
            .map(({ cid, name, path }) => ({ cid: cid.toString(), name, path }))
        )
      )
      .catch(err => {
        this.#init.log.warn('the list of roots could not be written: %s', err instanceof Error ? err.message : err)
      })
    await this.#listTurn
  }

  /** Closes every root. Never throws. @returns what could not be recorded */
  async close(): Promise<unknown[]> {
    const ends = await Promise.allSettled([...this.#roots.values(), ...this.#retired].map(root => root.close()))
    await this.#listTurn
    return ends.flatMap(end => (end.status === 'rejected' ? [end.reason] : []))
  }
}
