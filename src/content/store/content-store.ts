/**
 * What this node holds: every root, where its bytes lie, and how much of it is held. No second copy of any byte.
 * Records, durability and the ways to recover are in docs/store.md.
 */
import { mkdir, rm } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { CID } from 'multiformats/cid'
import { type Clock, systemClock } from '../../base/clock.ts'
import { fromSystemError, ShoalError } from '../../base/errors.ts'
import { type Logger, silentLogger } from '../../base/log.ts'
import { MIB } from '../../base/units.ts'
import { checkCid, cidOf, DAG_PB, RAW } from '../cid.ts'
import type { FileFingerprint } from '../fingerprint.ts'
import { isRawRoot, type Manifest } from '../manifest.ts'
import { printable } from '../safe-path.ts'
import { beginFetch, type FetchInit } from './begin-fetch.ts'
import { Database, isCorruption, type RecordOp } from './database.ts'
import { identityOf, statOf } from './destination.ts'
import { type KeyValue, StoredKeyValue } from './key-value.ts'
import {
  decodeRoot,
  kindPrefix,
  nodeKey,
  parseKey,
  ROOT_KINDS,
  type RootRecord,
  rootKey,
  STORE_VERSION,
  versionKey
} from './records.ts'
import { readRootsList, versionError, writeRootsList } from './roots-list.ts'
import { StoredRoot } from './stored-root.ts'

/** DAG nodes are written in synced batches of this size: LevelDB holds a batch in memory. */
const NODE_BATCH_BYTES = 4 * MIB
/** A store with fewer bytes of DAG nodes is checked whole when it is opened; a larger one root by root as it is loaded. */
const CHECKED_NODE_BYTES = 16 * MIB

export interface ShareInit {
  readonly manifest: Manifest
  /** DAG-node blocks in node index order; empty for a raw root. */
  readonly blocks: readonly Uint8Array[]
  /** Absolute: the file or folder of entry 0. */
  readonly path: string
  readonly name: string
  /** By index into `manifest.entries`: of every file, taken while it was hashed. */
  readonly fingerprints: ReadonlyMap<number, FileFingerprint>
}

export class ContentStore {
  readonly #db: Database
  readonly #log: Logger
  readonly #clock: Clock
  readonly #damage: string[]
  readonly #roots = new Map<string, StoredRoot>()
  /** Replaced or removed, but perhaps still read from. */
  readonly #retired = new Set<StoredRoot>()
  readonly #turns = new Map<string, Promise<unknown>>()
  readonly kv: KeyValue
  #nextId = 1
  #listTurn: Promise<void> = Promise.resolve()
  #closing: Promise<void> | undefined

  private constructor(db: Database, damage: string[], log: Logger, clock: Clock) {
    this.#db = db
    this.#damage = damage
    this.#log = log
    this.#clock = clock
    this.kv = new StoredKeyValue(db, sentence => this.#report(sentence))
  }

  /**
   * @param dir the data folder; made when absent
   * @throws ERR_LOCKED, ERR_NO_PERMISSION, ERR_READ_ONLY, ERR_NO_SPACE, ERR_STORE_VERSION, ERR_STORE_UNREADABLE
   */
  static async open(dir: string, options: { log?: Logger; clock?: Clock } = {}): Promise<ContentStore> {
    const log = options.log ?? silentLogger
    const folder = join(dir, 'store')
    await mkdir(dir, { recursive: true, mode: 0o700 }).catch(err => {
      throw fromSystemError(err, dir)
    })
    const listed = await readRootsList(folder)
    const damage: string[] = []
    const onLoss = (sentence: string) => {
      damage.push(sentence)
      log.warn('%s', sentence)
    }
    let db = await Database.open(folder, onLoss, log)
    for (let attempt = 1; ; attempt++) {
      const store = new ContentStore(db, damage, log, options.clock ?? systemClock)
      try {
        await store.#load(listed)
        return store
      } catch (err) {
        if (!isCorruption(err) || attempt > 1) {
          await db.close()
          throw err
        }
        onLoss(`parts of the store in ${folder} were damaged and have been dropped`)
        db = await db.repaired()
      }
    }
  }

  /** Human sentences: what was lost, of which root or file. Empty when healthy; grows when more is found. */
  get damage(): readonly string[] {
    return this.#damage
  }

  /** Oldest first. */
  roots(): StoredRoot[] {
    return [...this.#roots.values()].sort((a, b) => a.addedAt - b.addedAt || a.id - b.id)
  }

  /** CIDv0 and v1 of the same root are one. */
  get(cid: CID): StoredRoot | undefined {
    return this.#roots.get(keyOf(cid))
  }

  /**
   * Durable when it resolves. A root that is already there is re-pointed: the StoredRoot returned is a new one, and the
   * old one answers reads until the store closes but records nothing.
   */
  async addShared({ manifest, blocks, path, name, fingerprints }: ShareInit): Promise<StoredRoot> {
    for (let piece = 0; piece < manifest.pieces.count; piece++) {
      if (manifest.pieces.isDagPb(piece)) throw new ShoalError('ERR_BUG', 'shares are made of raw leaves')
    }
    return await this.#inTurn(keyOf(manifest.root), () =>
      this.#install(
        { name, path, source: 'share', state: 'complete', temp: null, tempId: null },
        { manifest, blocks },
        async root => {
          for (const [entry, print] of fingerprints) root.parts.files.prints.set(entry, { ...print, altered: false })
        }
      )
    )
  }

  /**
   * Creates or resumes a fetch; after it `have` may already be full (docs/store.md, "Fetching"). Call
   * `recheckUnrecorded` next. The root returned may be complete and elsewhere than `path`: then a verified copy is at
   * `path`.
   * @throws ERR_EXISTS, ERR_NO_PERMISSION, ERR_READ_ONLY, ERR_NO_SPACE, ERR_ABORTED
   */
  async beginFetch(init: FetchInit): Promise<StoredRoot> {
    const key = keyOf(init.manifest.root)
    return await this.#inTurn(key, () =>
      beginFetch(
        {
          current: () => this.#roots.get(key),
          install: (record, content, fill) => this.#install(record, content, fill)
        },
        init
      )
    )
  }

  /**
   * Drops the records, and the temporary file of an unfinished fetch; never a file of the user's.
   * @throws ERR_UNKNOWN_ROOT
   */
  async remove(cid: CID): Promise<{ cid: string; path: string }> {
    return await this.#inTurn(keyOf(cid), async () => {
      const root = this.get(cid)
      if (root === undefined) {
        throw new ShoalError('ERR_UNKNOWN_ROOT', `${cid} is not in this store`, { hint: 'shoal ls shows what is' })
      }
      await root.detach()
      await this.#db.write([{ type: 'del', key: rootKey(root.id) }], { sync: true })
      this.#roots.delete(keyOf(cid))
      await this.#forget(root)
      await this.#writeList()
      return { cid: root.cid.toString(), path: root.path }
    })
  }

  /** Records what is left to record and closes every file. A second call waits for the first. */
  async close(): Promise<void> {
    this.#closing ??= this.#close()
    await this.#closing
  }

  async #close(): Promise<void> {
    await Promise.allSettled(this.#turns.values())
    const ends = await Promise.allSettled([...this.#roots.values(), ...this.#retired].map(root => root.close()))
    await this.#listTurn
    await this.#db.close()
    for (const end of ends) if (end.status === 'rejected') throw end.reason
  }

  async #load(listed: ReadonlyArray<{ cid: string; name: string; path: string }>): Promise<void> {
    const version = await this.#db.get(versionKey)
    if (version !== undefined && version !== 'damaged') {
      const number = Number(Buffer.from(version).toString())
      if (number > STORE_VERSION) throw versionError(this.#db.folder, number)
    }
    const isNew = version === undefined || version === 'damaged'
    if (isNew) {
      await this.#db.write([{ type: 'put', key: versionKey, value: Buffer.from(String(STORE_VERSION)) }], {
        sync: true
      })
    }
    for await (const { key, value } of this.#db.entries('root/')) {
      const id = parseKey(key)?.id
      const record = value === 'damaged' ? undefined : decodeRoot(value)
      const cid = record === undefined ? undefined : readCid(record.cid)
      if (id === undefined || record === undefined || cid === undefined) {
        await this.#db.write([{ type: 'del', key }], { sync: true })
        this.#report('the record of a root was damaged and dropped')
        continue
      }
      this.#nextId = Math.max(this.#nextId, id + 1)
      // The newer one of two was not finished: its last batch would have deleted the older.
      if (this.get(cid) !== undefined) await this.#db.write([{ type: 'del', key }], { sync: true })
      else this.#roots.set(keyOf(cid), this.#rootOf(id, cid, record))
    }
    await this.#sweep()
    for (const { cid, name, path } of listed) {
      const parsed = readCid(cid)
      if (parsed !== undefined && this.get(parsed) !== undefined) continue
      this.#report(`the record of ${printable(name)} (${cid}) at ${printable(path)} was lost: share or get it again`)
    }
    await this.#checkNodes()
    if (isNew || !this.#matches(listed)) await this.#writeList()
  }

  /** Deletes what a crash left under an id without a root. */
  async #sweep(): Promise<void> {
    const known = new Set([...this.#roots.values()].map(({ id }) => id))
    for (const kind of ROOT_KINDS) {
      let from = `${kind}/`
      for (;;) {
        const key = await this.#db.firstKey(`${kind}/`, from)
        if (key === undefined) break
        const id = parseKey(key)?.id
        if (id === undefined) {
          await this.#db.write([{ type: 'del', key }], { sync: false })
          from = key
          continue
        }
        if (!known.has(id)) await this.#db.clear(kindPrefix(kind, id))
        this.#nextId = Math.max(this.#nextId, id + 1)
        from = `${kindPrefix(kind, id)}\uffff`
      }
    }
  }

  /** Finds roots whose DAG nodes are damaged, where that costs little. */
  async #checkNodes(): Promise<void> {
    if (this.#damage.length === 0 && (await this.#db.approximateSize('node/')) > CHECKED_NODE_BYTES) return
    const good = new Map<number, number>()
    for await (const { key, value } of this.#db.entries('node/')) {
      const id = parseKey(key)?.id
      if (id !== undefined && value !== 'damaged') good.set(id, (good.get(id) ?? 0) + 1)
    }
    for (const root of this.#roots.values()) {
      if (root.cid.code === RAW || good.get(root.id) === root.nodeCount) continue
      await root.load().catch(err => this.#log.warn('%s', err instanceof Error ? err.message : err))
    }
  }

  #matches(listed: ReadonlyArray<{ cid: string; path: string }>): boolean {
    const paths = new Map(listed.map(({ cid, path }) => [cid, path]))
    return paths.size === this.#roots.size && this.roots().every(root => paths.get(root.cid.toString()) === root.path)
  }

  #rootOf(id: number, cid: CID, record: RootRecord): StoredRoot {
    return new StoredRoot({
      db: this.#db,
      id,
      cid,
      record,
      log: this.#log,
      onDamage: sentence => this.#report(sentence)
    })
  }

  /** Records a new root; it takes the place of an old one of the same CID. A complete one holds every piece. */
  async #install(
    part: Pick<RootRecord, 'name' | 'path' | 'source' | 'state' | 'temp' | 'tempId'>,
    { manifest, blocks }: Pick<FetchInit, 'manifest' | 'blocks'>,
    fill: (root: StoredRoot) => Promise<void>
  ): Promise<StoredRoot> {
    const key = keyOf(manifest.root)
    const old = this.#roots.get(key)
    const id = this.#nextId++
    const root = this.#rootOf(id, manifest.root, {
      ...part,
      cid: manifest.root.toString(),
      moving: false,
      addedAt: this.#clock.wallMs(),
      nodes: manifest.nodes.length,
      pieces: manifest.pieces.count,
      totalBytes: manifest.totalBytes,
      heldPieces: 0,
      heldBytes: 0,
      problem: null
    })
    root.adopt(manifest)
    try {
      await this.#record(root, manifest, blocks, fill, old)
    } catch (err) {
      await root.detach()
      await root.close()
      await this.#db.write([{ type: 'del', key: rootKey(id) }], { sync: true })
      for (const kind of ROOT_KINDS) await this.#db.clear(kindPrefix(kind, id))
      throw err
    }
    this.#roots.set(key, root)
    if (old !== undefined) await this.#forget(old, root.temp)
    await this.#writeList()
    return root
  }

  /** DAG nodes first, the root's own record last, in the batch that also deletes the old root's. */
  async #record(
    root: StoredRoot,
    manifest: Manifest,
    blocks: readonly Uint8Array[],
    fill: (root: StoredRoot) => Promise<void>,
    old: StoredRoot | undefined
  ): Promise<void> {
    const { files, ledger } = root.parts
    let ops: RecordOp[] = []
    let bytes = 0
    for (const [index, block] of isRawRoot(manifest) ? [] : blocks.entries()) {
      ops.push({ type: 'put', key: nodeKey(root.id, index), value: block })
      bytes += block.byteLength
      if (bytes < NODE_BATCH_BYTES) continue
      await this.#db.write(ops, { sync: true })
      ops = []
      bytes = 0
    }
    await fill(root)
    if (root.state === 'complete') ops.push(...ledger.fillOps(), ...files.printOps(root.id, files.prints.keys()))
    ops.push(...root.recordOps())
    if (old !== undefined) {
      await old.detach()
      ops.push({ type: 'del', key: rootKey(old.id) })
    }
    await this.#db.write(ops, { sync: true })
  }

  /** Deletes what is left of a root whose record is gone. */
  async #forget(root: StoredRoot, keepTemp: string | null = null): Promise<void> {
    this.#retired.add(root)
    await root.close()
    for (const kind of ROOT_KINDS) await this.#db.clear(kindPrefix(kind, root.id))
    const { temp, tempId } = root
    if (temp === null || temp === keepTemp || !/\.shoal-.{8}\.part$/.test(basename(temp))) return
    const stats = await statOf(temp).catch(() => undefined)
    if (stats === undefined || identityOf(stats) !== tempId) return
    await rm(temp, { recursive: true, force: true }).catch(err => {
      this.#log.warn('%s could not be deleted: %s', temp, err instanceof Error ? err.message : err)
    })
  }

  async #writeList(): Promise<void> {
    this.#listTurn = this.#listTurn
      .then(() =>
        writeRootsList(
          this.#db.folder,
          this.roots().map(({ cid, name, path }) => ({ cid: cid.toString(), name, path }))
        )
      )
      .catch(err => {
        // Only a help for bad days: LevelDB has the records.
        this.#log.warn('the list of roots could not be written: %s', err instanceof Error ? err.message : err)
      })
    await this.#listTurn
  }

  #report(sentence: string): void {
    if (this.#damage.includes(sentence)) return
    this.#damage.push(sentence)
    this.#log.warn('%s', sentence)
  }

  /** One change of a root at a time. */
  async #inTurn<T>(key: string, work: () => Promise<T>): Promise<T> {
    if (this.#closing !== undefined) throw new ShoalError('ERR_NOT_RUNNING', 'the content store is closed')
    const before = this.#turns.get(key) ?? Promise.resolve()
    const turn = before.catch(() => {}).then(work)
    this.#turns.set(key, turn)
    try {
      return await turn
    } finally {
      if (this.#turns.get(key) === turn) this.#turns.delete(key)
    }
  }
}

function keyOf(cid: CID): string {
  return `${cid.code}:${Buffer.from(cid.multihash.digest).toString('hex')}`
}

function readCid(text: string): CID | undefined {
  try {
    const cid = checkCid(CID.parse(text))
    return cidOf(cid.code === RAW ? RAW : DAG_PB, cid.multihash.digest)
  } catch {
    return undefined
  }
}
