/**
 * The disk as the store sees it: whatever it does to files, folders and names outside LevelDB passes through here, so
 * that a test can put a disk in its place that fails, or that loses what was not synced. `node-disk.ts` is the real one.
 *
 * Errors are the system's, with `code` (`ENOSPC`, …).
 */
import type { BigIntStats } from 'node:fs'

/** What is used of `lstat` and `fstat`. */
export type FileStats = Pick<
  BigIntStats,
  'size' | 'mtimeNs' | 'ctimeNs' | 'birthtimeNs' | 'ino' | 'dev' | 'nlink' | 'uid'
> & {
  isFile(): boolean
  isDirectory(): boolean
  isSymbolicLink(): boolean
  /** Of what is none of these. */
  isFIFO?(): boolean
  isSocket?(): boolean
}

/**
 * `read`: what is there. `write`: for reading and writing, made when absent. `replace`: for writing, made or emptied,
 * readable by its owner alone. Never through a symbolic link, never waiting for a FIFO's other end.
 */
export type OpenMode = 'read' | 'write' | 'replace'

export interface DiskFile {
  /** For threads of this process; -1 where there is none. */
  readonly fd: number
  /** Synchronous: 3 µs, as an open file's inode is in memory; the asynchronous way costs 50 µs, twice a read. */
  stat(): FileStats
  /** May read less than `length`, and reads nothing at the end. */
  read(into: Uint8Array, offset: number, length: number, position: number): Promise<{ readonly bytesRead: number }>
  /** May write less than all. */
  writev(buffers: readonly Uint8Array[], position: number): Promise<{ readonly bytesWritten: number }>
  truncate(sizeBytes: number): Promise<void>
  datasync(): Promise<void>
  close(): Promise<void>
}

export interface Disk {
  open(path: string, mode: OpenMode): Promise<DiskFile>
  lstat(path: string): Promise<FileStats>
  mkdir(path: string, mode?: number): Promise<void>
  /** With those it lies in. Resolves with the first that was missing, undefined where none was. */
  mkdirs(path: string, mode?: number): Promise<string | undefined>
  readdir(path: string): Promise<string[]>
  readlink(path: string): Promise<string>
  symlink(target: string, path: string): Promise<void>
  link(existing: string, path: string): Promise<void>
  rename(from: string, to: string): Promise<void>
  /** Throws where names in this folder may not be changed, as far as the system says so. */
  checkWritable(folder: string): Promise<void>
  unlink(path: string): Promise<void>
  rmdir(path: string): Promise<void>
  /** A file or a folder with all that is in it; nothing there is no error. */
  remove(path: string): Promise<void>
  /** Bytes that a user may still write where `path` lies; undefined where the file system does not say. */
  freeBytes(path: string): Promise<number | undefined>
  /** Makes the names in the folder durable. */
  syncFolder(path: string): Promise<void>
}
