/**
 * What a forced move replaces, under a second name until the move is recorded: `<final name>.old.shoal-….part`, a folder
 * beside the destination. In it is a hard link for each file, by its index in the manifest; `<index>.new` says that
 * there could be none (no file system has links of everything): what was moved there is not taken away again.
 */
import { dirname, join } from 'node:path'
import { systemCode } from '../../base/errors.ts'
import { identityOf } from '../fingerprint.ts'
import type { Manifest } from '../manifest.ts'
import { inTheWayError, statOf } from './destination.ts'
import type { Disk } from './disk.ts'
import { eachLimited } from './limit.ts'
import { syncFolder } from './make-folder.ts'
import { tempPath } from './temp-name.ts'

const AT_ONCE = 16
/** What a link may be answered where a file may nevertheless be replaced. */
const CANNOT_LINK = new Set(['EPERM', 'EACCES', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EINVAL', 'EMLINK'])
const REPLACED = '.new'
const AGAIN = '.again'

export interface KeptFolder {
  readonly path: string
  /** See `identityOf`. */
  readonly id: string
}

interface Place {
  readonly path: string
  readonly manifest: Manifest
}

const keptPath = ({ path, manifest }: Place) => tempPath(path, manifest.root, '.old')

/** Durable when it resolves, and nothing is replaced yet. @returns undefined where no file of the content is there */
export async function keepOriginals(disk: Disk, { path, manifest }: Place): Promise<KeptFolder | undefined> {
  const kept = keptPath({ path, manifest })
  const originals: Array<{ at: string; name: string; isFile: boolean }> = []
  await eachLimited(manifest.entries.entries(), AT_ONCE, async ([index, entry]) => {
    // links are made again, not moved back
    if (entry.kind !== 'file') return
    const at = join(path, entry.path)
    const stats = await statOf(disk, at)
    if (stats !== undefined) originals.push({ at, name: join(kept, `${index}`), isFile: stats.isFile() })
  })
  if (originals.length === 0) return undefined
  await disk.mkdir(kept, 0o700).catch(err => {
    throw systemCode(err) === 'EEXIST' ? inTheWayError(kept, 'the folder for what is replaced') : err
  })
  await eachLimited(originals, AT_ONCE, async ({ at, name, isFile }) => {
    try {
      if (isFile) return await disk.link(at, name)
    } catch (err) {
      if (!CANNOT_LINK.has(systemCode(err) ?? '')) throw err
    }
    await (await disk.open(name + REPLACED, 'write')).close()
  })
  await syncFolder(disk, kept)
  await syncFolder(disk, dirname(kept))
  return { path: kept, id: identityOf(await disk.lstat(kept)) }
}

/** What a move that is undone has replaced. */
export class KeptOriginals {
  readonly #disk: Disk
  readonly #folder: string
  readonly #names: ReadonlySet<string>

  private constructor(disk: Disk, folder: string, names: readonly string[]) {
    this.#disk = disk
    this.#folder = folder
    this.#names = new Set(names)
  }

  static async find(disk: Disk, place: Place): Promise<KeptOriginals | undefined> {
    const folder = keptPath(place)
    if ((await statOf(disk, folder))?.isDirectory() !== true) return undefined
    return new KeptOriginals(disk, folder, await disk.readdir(folder))
  }

  /** Whether the entry's file replaced one that cannot be put back. */
  isFinal(entry: number): boolean {
    return this.#names.has(`${entry}${REPLACED}`)
  }

  has(entry: number): boolean {
    return this.#names.has(`${entry}`)
  }

  /** Whether it is what lies at the destination, with this inode number. */
  async is(entry: number, ino: bigint): Promise<boolean> {
    return (await statOf(this.#disk, join(this.#folder, `${entry}`)))?.ino === ino
  }

  /** In the place of what is there, which has another name by then. It stays here, too, as that may not be durable. */
  async putBack(entry: number, at: string): Promise<void> {
    const name = join(this.#folder, `${entry}`)
    if (!this.#names.has(`${entry}${AGAIN}`)) await this.#disk.link(name, name + AGAIN)
    await this.#disk.rename(name + AGAIN, at)
  }

  /** All are in their places, durably so. */
  async drop(): Promise<void> {
    await this.#disk.remove(this.#folder)
    await syncFolder(this.#disk, dirname(this.#folder))
  }
}
