/**
 * What this node holds: every root, where its bytes lie, and how much of it is held. No second copy of any byte.
 * Records, durability and the ways to recover are in docs/store.md.
 */
import { join } from 'node:path'
import type { CID } from 'multiformats/cid'
import { type Clock, systemClock } from '../../base/clock.ts'
import { fromSystemError, ShoalError } from '../../base/errors.ts'
import { pointed } from '../../base/fault-point.ts'
import { type Logger, silentLogger } from '../../base/log.ts'
import { borrowDiskThreads, type DiskLease } from '../disk/disk-threads.ts'
import { type SideHasher, sideHasher } from '../disk/side-hasher.ts'
import type { FileFingerprint } from '../fingerprint.ts'
import type { Manifest } from '../manifest.ts'
import { printable } from '../safe-path.ts'
import { beginFetch, type FetchInit, ownership } from './begin-fetch.ts'
import { DamageReport } from './damage-report.ts'
import { Database, isCorruption } from './database.ts'
import { statOf } from './destination.ts'
import type { Disk } from './disk.ts'
import { type CollectOptions, collectGarbage, type Garbage } from './garbage.ts'
import { type KeyValue, StoredKeyValue } from './key-value.ts'
import { makeFolder } from './make-folder.ts'
import { nodeDisk } from './node-disk.ts'
import { recoverRoots } from './recovery.ts'
import { rootCidKey } from './root-cid.ts'
import { type Evicted, RootEviction } from './root-eviction.ts'
import { RootInstaller } from './root-installer.ts'
import type { RootSet, RootSetInit } from './root-set.ts'
import { readRootsList } from './roots-list.ts'
import type { StoredRoot } from './stored-root.ts'
import { Trash } from './trash.ts'

export interface ShareInit {
  readonly manifest: Manifest
  /** DAG-node blocks in node index order; empty for a raw root. */
  readonly blocks: readonly Uint8Array[]
  /** Absolute: the file or folder of entry 0. */
  readonly path: string
  readonly name: string
  /** By index into `manifest.entries`: of every file, taken while it was hashed. */
  readonly fingerprints: ReadonlyMap<number, FileFingerprint>
  /** A fetch to this place found it: it is what it was there before, else this. Absent: it is shared. */
  readonly found?: Pick<FetchInit, 'evictable'>
}

export interface RemovedRoot {
  readonly cid: string
  readonly path: string
  readonly temp: string | null
  readonly left: boolean
  readonly adopted?: boolean
}

export interface StoreOptions {
  readonly log?: Logger
  readonly clock?: Clock
  /** Instead of those that the process shares; released when the store is closed. */
  readonly lease?: DiskLease
  /** For tests: another disk than this machine's, without threads unless there is a lease. */
  readonly disk?: Disk
  /** For tests: another place for the records. */
  readonly openDatabase?: typeof Database.open
}

export class ContentStore {
  readonly kv: KeyValue
  readonly #disk: Disk
  readonly #trash: Trash
  readonly #db: Database
  readonly #damage: DamageReport
  readonly #roots: RootSet
  readonly #installer: RootInstaller
  readonly #turns = new Map<string, Promise<unknown>>()
  readonly #lease: DiskLease | undefined
  readonly #eviction: RootEviction
  #collecting: Promise<unknown> = Promise.resolve()
  #closing: Promise<void> | undefined

  private constructor(
    init: RootSetInit,
    roots: RootSet,
    { clock, lease }: { clock: Clock; lease: DiskLease | undefined }
  ) {
    const { disk, db, damage } = init
    this.#disk = disk
    this.#trash = new Trash(init)
    this.#db = db
    this.#damage = damage
    this.#roots = roots
    this.#installer = new RootInstaller(init, roots, clock)
    this.#lease = lease
    this.#eviction = new RootEviction(init, roots)
    this.kv = new StoredKeyValue(db, sentence => damage.add(sentence))
  }

  /**
   * @param dir the data folder; made when absent
   * @throws ERR_LOCKED, ERR_NO_PERMISSION, ERR_READ_ONLY, ERR_NO_SPACE, ERR_STORE_VERSION, ERR_STORE_UNREADABLE
   */
  static async open(dir: string, options: StoreOptions = {}): Promise<ContentStore> {
    const log = options.log ?? silentLogger
    const folder = join(dir, 'store')
    const disk = options.disk ?? nodeDisk
    const openDatabase = options.openDatabase ?? Database.open
    await makeFolder(disk, dir, 0o700).catch(err => {
      throw fromSystemError(err, dir)
    })
    const listed = await readRootsList(disk, folder)
    const damage = new DamageReport(log)
    const onLoss = (sentence: string) => damage.add(sentence)
    let db = await openDatabase(folder, onLoss, log)
    const lease = options.lease ?? (options.disk === undefined ? borrowDiskThreads() : undefined)
    const threads = lease === undefined ? undefined : pointed(lease.threads, 'threads', ['run'])
    for (let attempt = 1; ; attempt++) {
      try {
        const init = { disk, db, damage, log, threads }
        const roots = await recoverRoots(init, listed)
        return new ContentStore(init, roots, { clock: options.clock ?? systemClock, lease })
      } catch (err) {
        if (!isCorruption(err) || attempt > 1) {
          await db.close()
          await lease?.release()
          throw err
        }
        onLoss(`parts of the store in ${folder} were damaged and have been dropped`)
        db = await db.repaired()
      }
    }
  }

  /** Human sentences: what was lost, of which root or file. Empty when healthy; grows when more is found. */
  get damage(): readonly string[] {
    return this.#damage.sentences
  }

  /** SHA-256 of bytes whose memory moves to a thread and back. Undefined where everything is done on this one. */
  get sideHasher(): SideHasher | undefined {
    const threads = this.#lease?.threads
    return threads === undefined ? undefined : sideHasher(threads)
  }

  /** Oldest first. */
  roots(): StoredRoot[] {
    return this.#roots.list()
  }

  /** CIDv0 and v1 of the same root are one. */
  get(cid: CID): StoredRoot | undefined {
    return this.#roots.get(cid)
  }

  /**
   * Durable when it resolves. A root that is already there is re-pointed: the StoredRoot returned is a new one, and the
   * old one answers reads until the store closes but records nothing.
   */
  async addShared({ manifest, blocks, path, name, fingerprints, found }: ShareInit): Promise<StoredRoot> {
    for (let piece = 0; piece < manifest.pieces.count; piece++) {
      if (manifest.pieces.isDagPb(piece)) throw new ShoalError('ERR_BUG', 'shares are made of raw leaves')
    }
    return await this.#inTurn(manifest.root, () => {
      const shared = { source: 'share', evictable: false } as const
      const own = found === undefined ? shared : ownership(this.#roots.get(manifest.root), { path, ...found }, 'share')
      return this.#installer.install(
        { name, path, ...own, state: 'complete', temp: null, tempId: null },
        { manifest, blocks },
        async root => {
          for (const [entry, print] of fingerprints) root.parts.files.prints.set(entry, { ...print, altered: false })
        }
      )
    })
  }

  /**
   * Creates or resumes a fetch; after it `have` may already be full (docs/store.md, "Fetching"). Call
   * `recheckUnrecorded` next. The root returned may be complete and elsewhere than `path`: then a verified copy is at
   * `path`.
   * @throws ERR_EXISTS, ERR_NO_PERMISSION, ERR_READ_ONLY, ERR_NO_SPACE, ERR_ABORTED
   */
  async beginFetch(init: FetchInit): Promise<StoredRoot> {
    const { root } = init.manifest
    return await this.#inTurn(root, () =>
      beginFetch(
        {
          disk: this.#disk,
          trash: this.#trash,
          current: () => this.#roots.get(root),
          install: (record, content, fill) => this.#installer.install(record, content, fill)
        },
        init
      )
    )
  }

  /**
   * Drops the records, and the temporary file of an unfinished fetch; never a file of the user's.
   * @returns `temp`: the temporary file, where there was one, and whether it is `left`, as it could not be deleted or was
   * `adopted`: it was there before this store's fetch
   * @throws ERR_UNKNOWN_ROOT
   */
  async remove(cid: CID): Promise<RemovedRoot> {
    return await this.#inTurn(cid, async () => {
      const root = this.#rootOf(cid)
      const { path, temp, isAdopted } = root
      const isGone = await this.#installer.remove(root)
      return { cid: root.cid.toString(), path, temp, left: !isGone, ...(isAdopted && { adopted: true }) }
    })
  }

  /**
   * Whether the node may delete what a fetch wrote, for room. Durable when it resolves.
   * @throws ERR_UNKNOWN_ROOT; ERR_USAGE where the files were shared: those are never deleted
   */
  async setEvictable(cid: CID, evictable: boolean): Promise<void> {
    await this.#inTurn(cid, async () => {
      const root = this.#rootOf(cid)
      if (evictable && root.source !== 'get') {
        throw new ShoalError('ERR_USAGE', `${printable(root.path)} was not fetched: a node never deletes it`, {
          hint: 'shoal rm stops sharing it'
        })
      }
      if (root.isEvictable !== evictable) await root.update({ evictable })
    })
  }

  /**
   * Deletes what a fetch wrote of a root that may go, and drops its records (root-eviction.ts). Nobody may read it.
   * @returns undefined where it may not go (any more), or cannot: its manifest is lost, or its drive is away
   */
  async evict(cid: CID): Promise<Evicted | undefined> {
    return await this.#inTurn(cid, async () => {
      const root = this.get(cid)
      if (root?.isEvictable !== true) return undefined
      const { heldBytes, temp } = root
      if (root.state === 'partial') {
        const isGone = await this.#installer.remove(root)
        return isGone || temp === null ? { freed: heldBytes, left: [] } : { freed: 0, left: [temp] }
      }
      if ((await statOf(this.#disk, root.path)) === undefined) return undefined
      const isLoaded = await root.load().then(
        () => true,
        () => false
      )
      return isLoaded ? await this.#eviction.evict(root) : undefined
    })
  }

  /**
   * Finds what nothing refers to any more, and deletes it (garbage.ts). Changes of roots wait meanwhile; where one is
   * under way, what might be its own is left for another time.
   */
  async collectGarbage(options: CollectOptions): Promise<Garbage> {
    await this.#collecting
    const isBusy = this.#turns.size > 0
    const work = collectGarbage(
      { disk: this.#disk, db: this.#db, trash: this.#trash, roots: this.#roots },
      {
        ...options,
        isBusy
      }
    )
    this.#collecting = work.catch(() => {})
    return await work
  }

  #rootOf(cid: CID): StoredRoot {
    const root = this.get(cid)
    if (root !== undefined) return root
    throw new ShoalError('ERR_UNKNOWN_ROOT', `${cid} is not in this store`, { hint: 'shoal ls shows what is' })
  }

  /** Records what is left to record and closes every file. A second call waits for the first. */
  async close(): Promise<void> {
    this.#closing ??= this.#close()
    await this.#closing
  }

  async #close(): Promise<void> {
    await Promise.allSettled([...this.#turns.values(), this.#collecting])
    const failures = await this.#roots.close()
    await this.#db.close()
    await this.#lease?.release()
    if (failures.length > 0) throw failures[0]
  }

  /** One change of a root at a time. */
  async #inTurn<T>(root: CID, work: () => Promise<T>): Promise<T> {
    if (this.#closing !== undefined) throw new ShoalError('ERR_NOT_RUNNING', 'the content store is closed')
    const key = rootCidKey(root)
    const before = this.#turns.get(key) ?? Promise.resolve()
    const collecting = this.#collecting
    const turn = before
      .catch(() => {})
      .then(() => collecting)
      .then(work)
    this.#turns.set(key, turn)
    try {
      return await turn
    } finally {
      if (this.#turns.get(key) === turn) this.#turns.delete(key)
    }
  }
}
