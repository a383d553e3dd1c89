/** Adds roots to a store and takes them out of it, so that a crash at any moment leaves the old or the new. */
import type { Clock } from '../../base/clock.ts'
import { MIB } from '../../base/units.ts'
import { isRawRoot, type Manifest } from '../manifest.ts'
import type { FetchInit } from './begin-fetch.ts'
import type { Database, RecordOp } from './database.ts'
import { kindPrefix, nodeKey, ROOT_KINDS, type RootRecord, rootKey } from './records.ts'
import type { RootSet, RootSetInit } from './root-set.ts'
import type { StoredRoot } from './stored-root.ts'
import { Trash } from './trash.ts'

/** DAG nodes are written in synced batches of this size: LevelDB holds a batch in memory. */
const NODE_BATCH_BYTES = 4 * MIB

/** What whoever adds a root says of it. */
export type NewRoot = Pick<RootRecord, 'name' | 'path' | 'source' | 'state' | 'temp' | 'tempId' | 'evictable'> &
  Partial<Pick<RootRecord, 'adopted'>>

export class RootInstaller {
  readonly #init: RootSetInit
  readonly #roots: RootSet
  readonly #clock: Clock
  readonly #trash: Trash

  constructor(init: RootSetInit, roots: RootSet, clock: Clock) {
    this.#init = init
    this.#roots = roots
    this.#clock = clock
    this.#trash = new Trash(init)
  }

  /** Records a new root; it takes the place of an old one of the same CID. A complete one holds every piece. */
  async install(
    part: NewRoot,
    { manifest, blocks }: Pick<FetchInit, 'manifest' | 'blocks'>,
    fill: (root: StoredRoot) => Promise<void>
  ): Promise<StoredRoot> {
    const old = this.#roots.get(manifest.root)
    await old?.settleMove()
    const root = this.#roots.make(this.#roots.takeId(), manifest.root, {
      adopted: false,
      ...part,
      cid: manifest.root.toString(),
      moving: false,
      closed: false,
      addedAt: this.#clock.wallMs(),
      nodes: manifest.nodes.length,
      pieces: manifest.pieces.count,
      totalBytes: manifest.totalBytes,
      heldPieces: 0,
      heldBytes: 0,
      problem: null
    })
    root.adopt(manifest)
    root.beginInstalling()
    try {
      await this.#record(root, manifest, blocks, fill, old)
    } catch (err) {
      await root.detach()
      await root.close()
      await this.#init.db.write([{ type: 'del', key: rootKey(root.id) }], { sync: true })
      await this.#clear(root)
      throw err
    }
    root.installed()
    this.#roots.set(root)
    if (old !== undefined) await this.#forget(old, root.temp)
    await this.#roots.writeList()
    return root
  }

  /**
   * Drops the records and the temporary file of an unfinished fetch, unless that was adopted.
   * @returns false: that could not be deleted, or may not be
   */
  async remove(root: StoredRoot): Promise<boolean> {
    await root.settleMove()
    await root.detach()
    // First the list, else a crash right after the record went would be taken for a loss.
    await this.#roots.writeList(root)
    await this.#init.db.write(this.#dropOps(root), { sync: true })
    this.#roots.delete(root.cid)
    return await this.#forget(root)
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
    const { db } = this.#init
    let ops: RecordOp[] = []
    let bytes = 0
    for (const [index, block] of isRawRoot(manifest) ? [] : blocks.entries()) {
      ops.push({ type: 'put', key: nodeKey(root.id, index), value: block })
      bytes += block.byteLength
      if (bytes < NODE_BATCH_BYTES) continue
      await db.write(ops, { sync: true })
      ops = []
      bytes = 0
    }
    await fill(root)
    if (root.state === 'complete') ops.push(...ledger.fillOps(), ...files.printOps(root.id, files.prints.keys()))
    ops.push(...root.recordOps())
    if (old !== undefined) {
      await old.detach()
      ops.push(...this.#dropOps(old))
    }
    if (root.temp !== null) ops.push(...this.#trash.keepOps(root.temp))
    await db.write(ops, { sync: true })
  }

  /** Deletes what is left of a root whose record is gone. @returns false: the temporary file is left */
  async #forget(root: StoredRoot, keepTemp: string | null = null): Promise<boolean> {
    this.#roots.retire(root)
    await root.close()
    await this.#clear(root)
    const { temp, tempId } = root
    if (temp === null || tempId === null || temp === keepTemp) return true
    if (!isDisposable(root)) {
      this.#init.log.warn('%s is left: it may be needed elsewhere', temp)
      return false
    }
    return await this.#trash.discard(temp, tempId)
  }

  /** The root's record goes, and the temporary file with it. */
  #dropOps(root: StoredRoot): RecordOp[] {
    const { id, temp, tempId } = root
    const isNoted = temp !== null && tempId !== null && isDisposable(root)
    return [{ type: 'del', key: rootKey(id) }, ...(isNoted ? this.#trash.ops(temp, tempId) : [])]
  }

  async #clear({ id }: StoredRoot): Promise<void> {
    await clearKinds(this.#init.db, id)
  }
}

/** Not where a move stopped amid it, nor what this data folder did not make. */
const isDisposable = (root: StoredRoot) => !root.isMoving && !root.isAdopted

/** Every record of a root but its own. */
export async function clearKinds(db: Database, id: number): Promise<void> {
  for (const kind of ROOT_KINDS) await db.clear(kindPrefix(kind, id))
}
