/** The DAG nodes of a root as the store keeps them, and what is said when one is lost. */
import type { CID } from 'multiformats/cid'
import { ShoalError } from '../../base/errors.ts'
import { RAW } from '../cid.ts'
import type { Manifest } from '../manifest.ts'
import { assembleManifest, rawRootManifest } from '../manifest-assembler.ts'
import { printable } from '../safe-path.ts'
import type { Database } from './database.ts'
import type { LiveRecord } from './live-record.ts'
import { kindPrefix, nodeKey, parseKey } from './records.ts'

export class NodeBlocks {
  readonly #db: Database
  readonly #cid: CID
  readonly #record: LiveRecord
  readonly #onDamage: (sentence: string) => void

  constructor(db: Database, cid: CID, record: LiveRecord, onDamage: (sentence: string) => void) {
    this.#db = db
    this.#cid = cid
    this.#record = record
    this.#onDamage = onDamage
  }

  /** @throws ERR_STORE_DAMAGED */
  async read(index: number): Promise<Uint8Array> {
    const block = await this.#db.get(nodeKey(this.#record.id, index))
    if (block === undefined || block === 'damaged') throw await this.#lost(index)
    return block
  }

  /** The manifest that all of them give. @throws ERR_STORE_DAMAGED */
  async manifest(): Promise<Manifest> {
    if (this.#cid.code === RAW) return rawRootManifest(this.#cid, this.#record.value.totalBytes)
    const blocks: Uint8Array[] = []
    for await (const { key, value } of this.#db.entries(kindPrefix('node', this.#record.id))) {
      if (value === 'damaged' || parseKey(key)?.index !== blocks.length) throw await this.#lost(blocks.length)
      blocks.push(value)
    }
    try {
      return assembleManifest(this.#cid, blocks)
    } catch {
      throw await this.#lost(blocks.length)
    }
  }

  async #lost(index: number): Promise<ShoalError> {
    const { name, path, problem: known, state } = this.#record.value
    const problem = `the store lost DAG node ${index} of ${printable(name)} (${this.#cid}); its files in ${printable(path)} were not touched`
    if (known !== problem) {
      this.#onDamage(problem)
      // A fetch under way keeps its temporary file: a new beginFetch brings the nodes back and finds the pieces in it.
      await this.#record.save(state === 'partial' ? { problem } : { state: 'damaged', problem })
    }
    return new ShoalError('ERR_STORE_DAMAGED', problem, {
      hint: 'share or get it again: what is still right on disk is recognised',
      details: { cid: this.#cid.toString(), node: index }
    })
  }
}
