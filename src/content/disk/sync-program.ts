/**
 * One system call for thousands of files. `syncfs` makes all that was written to a file system durable, and Node has no
 * such call; `sync -f` of GNU coreutils and busybox is a program that makes it. PostgreSQL offers the same choice
 * (`recovery_init_sync_method = syncfs`), with the same two remarks: it also waits for what other programs wrote, and
 * only since Linux 5.8 does it report that a write failed.
 */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { release } from 'node:os'

/** Not looked for in PATH, which may name anybody's program. */
const PROGRAMS = ['/usr/bin/sync', '/bin/sync']
/** The first Linux whose syncfs reports failed writes. */
const LINUX_SINCE = [5, 8] as const

/** The program to be handed to {@link syncFileSystem}; null where none can be trusted to do it. */
export function findSyncProgram(platform: string = process.platform, kernel: string = release()): string | null {
  if (platform !== 'linux') return null
  const [major = 0, minor = 0] = kernel.split('.').map(part => Number.parseInt(part, 10))
  if (!(major > LINUX_SINCE[0] || (major === LINUX_SINCE[0] && minor >= LINUX_SINCE[1]))) return null
  return PROGRAMS.find(path => existsSync(path)) ?? null
}

/** Waits until all that was written to the file system of `path` is on its disk. @returns false where that is not sure */
export function syncFileSystem(program: string, path: string): boolean {
  const { status } = spawnSync(program, ['-f', path], { stdio: 'ignore', windowsHide: true })
  return status === 0
}
