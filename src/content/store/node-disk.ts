/** The disk of this machine. */
import { constants, fstatSync } from 'node:fs'
import {
  access,
  type FileHandle,
  link,
  lstat,
  mkdir,
  open,
  readdir,
  readlink,
  rename,
  rm,
  rmdir,
  statfs,
  symlink,
  unlink
} from 'node:fs/promises'
import { pointed } from '../../base/fault-point.ts'
import { isShared } from '../../base/shared-memory.ts'
import { KIB } from '../../base/units.ts'
import { runningDiskThreads } from '../disk/disk-threads.ts'
import type { Disk, DiskFile, FileStats, OpenMode } from './disk.ts'

const GUARDED = constants.O_NOFOLLOW | constants.O_NONBLOCK
const FLAGS: Record<OpenMode, number> = {
  read: constants.O_RDONLY | GUARDED,
  write: constants.O_RDWR | constants.O_CREAT | GUARDED,
  replace: constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | GUARDED
}
const MADE_WITH: Record<OpenMode, number> = { read: 0, write: 0o666, replace: 0o600 }

/** To have less written by a thread does not pay; nor does starting one, for what comes slowly. */
const MIN_THREAD_BYTES = 64 * KIB

class NodeFile implements DiskFile {
  readonly #handle: FileHandle
  /** What threads are writing. */
  readonly #writing = new Set<Promise<unknown>>()

  constructor(handle: FileHandle) {
    this.#handle = handle
  }

  get fd(): number {
    return this.#handle.fd
  }

  stat(): FileStats {
    return fstatSync(this.#handle.fd, { bigint: true })
  }

  read(into: Uint8Array, offset: number, length: number, position: number): Promise<{ bytesRead: number }> {
    return this.#handle.read(into, offset, length, position)
  }

  async writev(buffers: Uint8Array[], position: number): Promise<{ bytesWritten: number }> {
    const threads = runningDiskThreads()
    const bytes = buffers.reduce((sum, { byteLength }) => sum + byteLength, 0)
    if (threads === undefined || bytes < MIN_THREAD_BYTES || !buffers.every(isShared)) {
      return await this.#handle.writev(buffers, position)
    }
    const write = threads.run('writeParts', { fd: this.fd, position, parts: buffers })
    this.#writing.add(write)
    try {
      return await write
    } finally {
      this.#writing.delete(write)
    }
  }

  truncate(sizeBytes: number): Promise<void> {
    return this.#handle.truncate(sizeBytes)
  }

  datasync(): Promise<void> {
    return this.#handle.datasync()
  }

  /** Its number may be another file's from then on, which a thread must not write to. */
  async close(): Promise<void> {
    await Promise.allSettled(this.#writing)
    await this.#handle.close()
  }
}

const plainDisk: Disk = {
  open: async (path, mode) =>
    pointed(new NodeFile(await open(path, FLAGS[mode], MADE_WITH[mode])), 'file', ['writev', 'truncate', 'datasync']),
  lstat: path => lstat(path, { bigint: true }),
  mkdir: (path, mode) => mkdir(path, { mode }),
  mkdirs: (path, mode) => mkdir(path, { recursive: true, mode }),
  readdir: path => readdir(path),
  readlink: path => readlink(path),
  symlink: (target, path) => symlink(target, path),
  link,
  rename,
  checkWritable: folder => access(folder, constants.W_OK | constants.X_OK),
  unlink,
  rmdir: path => rmdir(path),
  remove: path => rm(path, { recursive: true, force: true }),
  async freeBytes(path) {
    const stats = await statfs(path)
    // Some file systems state no size at all.
    return stats.blocks === 0 ? undefined : stats.bavail * stats.bsize
  },
  async syncFolder(path) {
    const handle = await open(path, constants.O_RDONLY | constants.O_DIRECTORY)
    try {
      await handle.sync()
    } finally {
      await handle.close()
    }
  }
}

export const nodeDisk: Disk = pointed(plainDisk, 'disk', [
  ...(['open', 'mkdir', 'mkdirs', 'symlink', 'link', 'rename'] as const),
  ...(['unlink', 'rmdir', 'remove', 'syncFolder'] as const)
])
