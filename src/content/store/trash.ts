/**
 * Temporary files that no root needs any more, or none needs yet: noted before they come or go, so that what a crash
 * leaves of them is deleted at the next start. A key is `trash/<absolute path>`, its value which file or folder is meant
 * (`identityOf`): another one of that name stays. The ledger of temporary files is kept along with it.
 */
import { dirname } from 'node:path'
import type { Logger } from '../../base/log.ts'
import { identityOf } from '../fingerprint.ts'
import type { Database, RecordOp } from './database.ts'
import { statOf } from './destination.ts'
import type { Disk } from './disk.ts'
import { syncFolder } from './make-folder.ts'
import { forgetTempOps, isKnownTemp, type KnownTemp, rememberTempOps } from './temp-ledger.ts'
import { isTempName } from './temp-name.ts'

const PREFIX = 'trash/'

export interface TrashInit {
  readonly disk: Disk
  readonly db: Database
  readonly log: Logger
}

export class Trash {
  readonly #init: TrashInit

  constructor(init: TrashInit) {
    this.#init = init
  }

  /** The ops that note it: it goes with the next `discard` or `empty`. */
  ops(temp: string, id: string): RecordOp[] {
    return [{ type: 'put', key: PREFIX + temp, value: Buffer.from(id) }, ...rememberTempOps(temp, id)]
  }

  /** The ops that take the note back: a root has it now. */
  keepOps(temp: string): RecordOp[] {
    return [{ type: 'del', key: PREFIX + temp }]
  }

  /**
   * It was just made, or found and taken over, and no root has it yet. Durable: what is written to it may be large.
   * @param claimed.adopted it holds what an earlier fetch left, and is no trash whatever happens next; the ledger names
   * it only where this data folder made it
   */
  async noteMade(temp: string, { id, adopted }: { readonly id: string; readonly adopted: boolean }): Promise<void> {
    if (!adopted) await this.#init.db.write(this.ops(temp, id), { sync: true })
  }

  /** Takes the note back: it stays, with no root, until a fetch takes it up or `gc` is told to delete it. */
  async keep(temp: string): Promise<void> {
    await this.#init.db.write(this.keepOps(temp), { sync: true })
  }

  /** Whether a fetch of this data folder made it. */
  async isOwn(temp: string, id: string): Promise<boolean> {
    return await isKnownTemp(this.#init.db, { path: temp, id })
  }

  /** It is not there any more. */
  async forget(temp: string): Promise<void> {
    await this.#init.db.write([...this.keepOps(temp), ...forgetTempOps(temp)], { sync: false })
  }

  /**
   * Deletes it, whatever it is that has its name only if that is what was meant. Where that fails, the next start tries.
   * @returns false: it is there still, or its drive is away
   */
  async discard(temp: string, id: string): Promise<boolean> {
    const { disk, db, log } = this.#init
    try {
      const stats = await statOf(disk, temp)
      if (stats === undefined && (await statOf(disk, dirname(temp))) === undefined) {
        // Perhaps on a drive that is not attached: gc finds it when it is.
        await db.write(this.keepOps(temp), { sync: false })
        return false
      }
      if (stats !== undefined && identityOf(stats) === id && isTempName(temp)) {
        await disk.remove(temp)
        await syncFolder(disk, dirname(temp))
      }
    } catch (err) {
      log.warn('%s could not be deleted: %s', temp, err instanceof Error ? err.message : err)
      return false
    }
    await this.forget(temp)
    return true
  }

  /** What is noted. */
  async list(): Promise<KnownTemp[]> {
    const found: KnownTemp[] = []
    for await (const { key, value } of this.#init.db.entries(PREFIX)) {
      found.push({ path: key.slice(PREFIX.length), id: value === 'damaged' ? '' : Buffer.from(value).toString() })
    }
    return found
  }

  /** @param isNeeded whether a root has it after all */
  async empty(isNeeded: (temp: string) => boolean): Promise<void> {
    for (const { path, id } of await this.list()) {
      if (isNeeded(path)) await this.#init.db.write(this.keepOps(path), { sync: false })
      else await this.discard(path, id)
    }
  }
}
