/**
 * Folders in which names were made that may not be on the disk yet. fdatasync of a file makes its bytes durable, and on
 * some file systems not its name: that is its folder's.
 */
import { dirname } from 'node:path'
import type { Disk } from './disk.ts'
import { eachLimited } from './limit.ts'
import { syncFolder } from './make-folder.ts'

const SYNCS_AT_ONCE = 16

export class NewNames {
  readonly #disk: Disk
  #waiting = new Set<string>()
  /** Folders whose own names were noted. */
  readonly #known = new Set<string>()

  constructor(disk: Disk) {
    this.#disk = disk
  }

  /**
   * The file or folder may have just been made, and so may those that it lies in.
   * @param base the topmost that may have been
   */
  add(path: string, base: string): void {
    for (let at = path; at.length >= base.length; at = dirname(at)) {
      if (at !== path && this.#known.has(at)) return
      this.#known.add(at)
      this.#waiting.add(dirname(at))
    }
  }

  /** Every name that was added before is durable when it resolves. May be repeated when it failed. */
  async sync(): Promise<void> {
    const folders = this.#waiting
    this.#waiting = new Set()
    try {
      await eachLimited(folders, SYNCS_AT_ONCE, async folder => {
        await syncFolder(this.#disk, folder)
        folders.delete(folder)
      })
    } catch (err) {
      for (const folder of folders) this.#waiting.add(folder)
      throw err
    }
  }
}
