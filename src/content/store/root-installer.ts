/** Adds roots to a store and takes them out of it, so that a crash at any moment leaves the old or the new. */
import { basename } from 'node:path'
import type { Clock } from '../../base/clock.ts'
import { MIB } from '../../base/units.ts'
import { isRawRoot, type Manifest } from '../manifest.ts'
import type { FetchInit } from './begin-fetch.ts'
import type { RecordOp } from './database.ts'
import { identityOf, statOf } from './destination.ts'
import { kindPrefix, nodeKey, ROOT_KINDS, type RootRecord, rootKey } from './records.ts'
import type { RootSet, RootSetInit } from './root-set.ts'
import type { StoredRoot } from './stored-root.ts'

/** DAG nodes are written in synced batches of this size: LevelDB holds a batch in memory. */
const NODE_BATCH_BYTES = 4 * MIB

export class RootInstaller {
  readonly #init: RootSetInit
  readonly #roots: RootSet
  readonly #clock: Clock

  constructor(init: RootSetInit, roots: RootSet, clock: Clock) {
    this.#init = init
    this.#roots = roots
    this.#clock = clock
  }

  /** Records a new root; it takes the place of an old one of the same CID. A complete one holds every piece. */
  async install(
    part: Pick<RootRecord, 'name' | 'path' | 'source' | 'state' | 'temp' | 'tempId'>,
    { manifest, blocks }: Pick<FetchInit, 'manifest' | 'blocks'>,
    fill: (root: StoredRoot) => Promise<void>
  ): Promise<StoredRoot> {
    const old = this.#roots.get(manifest.root)
    const root = this.#roots.make(this.#roots.takeId(), manifest.root, {
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
      await this.#init.db.write([{ type: 'del', key: rootKey(root.id) }], { sync: true })
      await this.#clear(root)
      throw err
    }
    this.#roots.set(root)
    if (old !== undefined) await this.#forget(old, root.temp)
    await this.#roots.writeList()
    return root
  }

  /** Drops the records and the temporary file of an unfinished fetch. */
  async remove(root: StoredRoot): Promise<void> {
    await root.detach()
    await this.#init.db.write([{ type: 'del', key: rootKey(root.id) }], { sync: true })
    this.#roots.delete(root.cid)
    await this.#forget(root)
    await this.#roots.writeList()
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
      ops.push({ type: 'del', key: rootKey(old.id) })
    }
    await db.write(ops, { sync: true })
  }

  /** Deletes what is left of a root whose record is gone. */
  async #forget(root: StoredRoot, keepTemp: string | null = null): Promise<void> {
    this.#roots.retire(root)
    await root.close()
    await this.#clear(root)
    const { temp, tempId } = root
    if (temp === null || temp === keepTemp || !/\.shoal-.{8}\.part$/.test(basename(temp))) return
    const stats = await statOf(this.#init.disk, temp).catch(() => undefined)
    if (stats === undefined || identityOf(stats) !== tempId) return
    await this.#init.disk.remove(temp).catch(err => {
      this.#init.log.warn('%s could not be deleted: %s', temp, err instanceof Error ? err.message : err)
    })
  }

  async #clear({ id }: StoredRoot): Promise<void> {
    for (const kind of ROOT_KINDS) await this.#init.db.clear(kindPrefix(kind, id))
  }
}
