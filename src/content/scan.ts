/**
 * Looks through a folder without opening a file: what lies in it, how large it is, and what has to be left out. Symbolic
 * links are read, never followed.
 */
import { lstat, readdir, readlink } from 'node:fs/promises'
import { systemCode, throwIfAborted } from '../base/errors.ts'
import { printAt } from './disk/disk-jobs.ts'
import type { DiskThreads } from './disk/disk-threads.ts'
import { MAX_PATH_BYTES } from './manifest-limits.ts'
import { type FolderIdentity, isFolder } from './own-data-dir.ts'
import { decodeName, printable, printableBytes } from './safe-path.ts'
import { drainQueue } from './work-queue.ts'

export interface Skipped {
  /** Relative to the folder, '/'-separated; printable (control characters and stray bytes escaped). */
  readonly path: string
  /** One short phrase: `socket`, `no permission`, `changed while it was read`, … */
  readonly reason: string
}

export interface ScannedFile {
  readonly kind: 'file'
  readonly name: string
  /** Relative to the scanned folder, '/'-separated. */
  readonly path: string
  /** Bytes, when it was looked at. */
  readonly size: number
}

export interface ScannedSymlink {
  readonly kind: 'symlink'
  readonly name: string
  readonly target: string
}

export interface ScannedFolder {
  readonly kind: 'folder'
  readonly name: string
  /** '' for the scanned folder itself. */
  readonly path: string
  /** In no particular order. */
  readonly children: Array<ScannedFile | ScannedSymlink | ScannedFolder>
}

export interface Scan {
  readonly root: ScannedFolder
  readonly files: ScannedFile[]
  readonly skipped: Skipped[]
}

export interface ScanOptions {
  /** Include names that begin with a dot. Default true. */
  readonly hidden?: boolean | undefined
  readonly signal?: AbortSignal | undefined
  /** Called for each file with its size in bytes. */
  readonly onFile?: ((bytes: number) => void) | undefined
  /** The node's data folder: left out wherever it is. */
  readonly dataDir?: FolderIdentity | undefined
  /** Where files in large folders are looked at. */
  readonly threads?: DiskThreads | undefined
}

const FOLDERS_AT_ONCE = 8
const STATS_AT_ONCE = 32
/** Looked at together on a thread; folders with fewer names are looked at from here. */
const THREAD_STATS = 512
const DOT = 0x2e

/**
 * @param path absolute, a folder
 * @throws the system error where the folder itself cannot be read; ERR_ABORTED. Below it, what cannot be read is skipped
 */
export async function scanFolder(path: string, options: ScanOptions = {}): Promise<Scan> {
  const root: ScannedFolder = { kind: 'folder', name: '', path: '', children: [] }
  const scan: Scan = { root, files: [], skipped: [] }
  const queue = [{ folder: root, names: await readdir(path, { encoding: 'buffer' }) }]
  await drainQueue(queue, FOLDERS_AT_ONCE, async ({ folder, names }) => {
    const isLarge = options.threads !== undefined && names.length >= THREAD_STATS
    const step = isLarge ? THREAD_STATS : STATS_AT_ONCE
    for (let from = 0; from < names.length; from += step) {
      throwIfAborted(options.signal)
      const some = names.slice(from, from + step).filter(name => options.hidden !== false || name[0] !== DOT)
      const children = some.flatMap(name => fitChild(folder, name, scan.skipped) ?? [])
      const rest = isLarge ? await takeFiles({ path, folder, children }, scan, options) : children
      for (let at = 0; at < rest.length; at += STATS_AT_ONCE) {
        await Promise.all(
          rest.slice(at, at + STATS_AT_ONCE).map(async ({ name, relative }) => {
            try {
              const child = await look(`${path}/${relative}`, relative, name, options)
              if (child.kind === 'folder') {
                const below = await readdir(`${path}/${relative}`, { encoding: 'buffer' })
                queue.push({ folder: child, names: below })
              } else if (child.kind === 'file') scan.files.push(child)
              folder.children.push(child)
            } catch (err) {
              scan.skipped.push({ path: printable(relative), reason: skipReason(err) })
            }
          })
        )
      }
    }
  })
  return scan
}

interface Child {
  readonly name: string
  /** Its path relative to the scanned folder. */
  readonly relative: string
}

function fitChild(folder: ScannedFolder, nameBytes: Buffer, skipped: Skipped[]): Child | undefined {
  const name = decodeName(nameBytes)
  const prefix = folder.path === '' ? '' : `${folder.path}/`
  const isTooLong = name !== undefined && Buffer.byteLength(prefix + name) > MAX_PATH_BYTES
  if (name !== undefined && !isTooLong) return { name, relative: prefix + name }
  skipped.push({
    path: `${printable(prefix)}${printableBytes(nameBytes)}`,
    reason: isTooLong ? 'path too long' : 'name is not UTF-8'
  })
  return undefined
}

/** Looks at all of them on a thread and takes the regular files. Returns the others. */
async function takeFiles(
  { path, folder, children }: { path: string; folder: ScannedFolder; children: readonly Child[] },
  scan: Scan,
  { threads, onFile }: ScanOptions
): Promise<readonly Child[]> {
  if (threads === undefined) return children
  const { prints, failed } = await threads.run('statFiles', {
    paths: children.map(({ relative }) => `${path}/${relative}`)
  })
  const others = new Set(failed)
  for (const [index, { name, relative }] of children.entries()) {
    if (others.has(index)) continue
    const { size } = printAt(prints, index)
    const file = { kind: 'file', name, path: relative, size } as const
    onFile?.(size)
    scan.files.push(file)
    folder.children.push(file)
  }
  return children.filter((_, index) => others.has(index))
}

/** Why something is left out, in a phrase. @throws the error again where it is no reason to go on without it */
export function skipReason(err: unknown): string {
  if (err instanceof Unfit) return err.message
  const code = systemCode(err)
  switch (code) {
    case 'EACCES':
    case 'EPERM':
      return 'no permission'
    case 'ENOENT':
    case 'ENOTDIR':
      return 'gone before it was read'
    case 'ENAMETOOLONG':
      return 'path too long'
    case 'ERR_FILE_CHANGED':
      return 'changed while it was read'
    case 'EIO':
    case 'ESTALE':
    case 'ELOOP':
    case 'ENXIO':
    case 'EOPNOTSUPP':
      return `cannot be read (${code})`
    default:
      throw err
  }
}

/** What is there and cannot be shared. Never leaves this file. */
class Unfit extends Error {}

async function look(
  path: string,
  relative: string,
  name: string,
  options: ScanOptions
): Promise<ScannedFile | ScannedSymlink | ScannedFolder> {
  const stats = await lstat(path)
  if (stats.isFile()) {
    options.onFile?.(stats.size)
    return { kind: 'file', name, path: relative, size: stats.size }
  }
  if (stats.isDirectory()) {
    const { dataDir } = options
    const isOwn = dataDir !== undefined && stats.ino === Number(dataDir.ino) && (await isFolder(path, dataDir))
    if (isOwn) throw new Unfit("this node's data folder")
    return { kind: 'folder', name, path: relative, children: [] }
  }
  if (stats.isSymbolicLink()) {
    const target = decodeName(await readlink(path, { encoding: 'buffer' }))
    if (target === undefined) throw new Unfit('symbolic link to a name that is not UTF-8')
    return { kind: 'symlink', name, target }
  }
  throw new Unfit(
    stats.isSocket()
      ? 'socket'
      : stats.isFIFO()
        ? 'FIFO'
        : stats.isBlockDevice() || stats.isCharacterDevice()
          ? 'device'
          : 'no regular file'
  )
}
