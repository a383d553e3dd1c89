/**
 * Whether files are the user's alone. The key in a data folder is the node's identity, and whoever writes there can
 * replace it, or put a socket of his own where commands are sent. Root is trusted: it can do anyhow.
 */
import type { Stats } from 'node:fs'
import { ShoalError } from '../base/errors.ts'

/** Bits of the mode that let others in at all, and that let them write. */
export const OTHERS = 0o077
export const OTHERS_WRITE = 0o022

const ROOT = 0

/** @throws ERR_NO_PERMISSION where neither this user nor root owns it */
export function requireOwner({ uid }: Pick<Stats, 'uid'>, path: string): void {
  const own = process.getuid?.()
  if (own === undefined || uid === own || uid === ROOT) return
  throw new ShoalError('ERR_NO_PERMISSION', `${path} belongs to another user (uid ${uid}, this one is ${own})`, {
    hint: 'run shoal as that user, or choose another --data-dir',
    details: { path, uid }
  })
}

/** `0755` */
export function showMode({ mode }: Pick<Stats, 'mode'>): string {
  return (mode & 0o7777).toString(8).padStart(4, '0')
}

/** @param path of a folder @throws ERR_NO_PERMISSION where others can write in it */
export function requireUnshared(stats: Pick<Stats, 'mode'>, path: string): void {
  if ((stats.mode & OTHERS_WRITE) === 0) return
  throw new ShoalError('ERR_NO_PERMISSION', `others can write in ${path} (mode ${showMode(stats)})`, {
    hint: `choose a folder of your own with --data-dir, or close it: chmod go-w ${path}`,
    details: { path }
  })
}
