/**
 * Temporary files that no root needs any more, or none needs yet: noted before they come or go, so that what a crash
 * leaves of them is deleted at the next start. A key is `trash/<absolute path>`, its value which file or folder is meant
 * (`identityOf`): another one of that name stays.
 */
import { basename, dirname } from 'node:path'
import type { Logger } from '../../base/log.ts'
import { identityOf } from '../fingerprint.ts'
import type { Database, RecordOp } from './database.ts'
import { statOf } from './destination.ts'
import type { Disk } from './disk.ts'
import { syncFolder } from './make-folder.ts'

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
    return [{ type: 'put', key: PREFIX + temp, value: Buffer.from(id) }]
  }

  /** The ops that take the note back: a root has it now. */
  keepOps(temp: string): RecordOp[] {
    return [{ type: 'del', key: PREFIX + temp }]
  }

  /** Notes it, durably: what is made next may be large. */
  async note(temp: string, id: string): Promise<void> {
    await this.#init.db.write(this.ops(temp, id), { sync: true })
  }

  async forget(temp: string): Promise<void> {
    await this.#init.db.write(this.keepOps(temp), { sync: false })
  }

  /** Deletes it, whatever it is that has its name only if that is what was meant. Where that fails, the next start tries. */
  async discard(temp: string, id: string): Promise<void> {
    const { disk, log } = this.#init
    try {
      const stats = await statOf(disk, temp)
      const isMeant = stats !== undefined && identityOf(stats) === id && /\.shoal-.{8}\.part$/.test(basename(temp))
      if (isMeant) {
        await disk.remove(temp)
        await syncFolder(disk, dirname(temp))
      }
    } catch (err) {
      log.warn('%s could not be deleted: %s', temp, err instanceof Error ? err.message : err)
      return
    }
    await this.forget(temp)
  }

  /** @param isNeeded whether a root has it after all */
  async empty(isNeeded: (temp: string) => boolean): Promise<void> {
    const found: Array<{ temp: string; id: string }> = []
    for await (const { key, value } of this.#init.db.entries(PREFIX)) {
      found.push({ temp: key.slice(PREFIX.length), id: value === 'damaged' ? '' : Buffer.from(value).toString() })
    }
    for (const { temp, id } of found) {
      if (isNeeded(temp)) await this.forget(temp)
      else await this.discard(temp, id)
    }
  }
}
