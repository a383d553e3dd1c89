/**
 * What is remembered of a file on disk to notice that it changed: compared by `fstat` around every read. The content
 * hash stays the judge; a fingerprint only says when to ask it again.
 */
import type { BigIntStats } from 'node:fs'

export interface FileFingerprint {
  /** Bytes. */
  readonly size: number
  /** Nanoseconds since 1970. */
  readonly mtimeNs: bigint
  readonly ctimeNs: bigint
  readonly ino: bigint
  readonly dev: bigint
}

/** @param stats of `handle.stat({ bigint: true })` */
export function fingerprintOf(
  stats: Pick<BigIntStats, 'size' | 'mtimeNs' | 'ctimeNs' | 'ino' | 'dev'>
): FileFingerprint {
  return {
    size: Number(stats.size),
    mtimeNs: stats.mtimeNs,
    ctimeNs: stats.ctimeNs,
    ino: stats.ino,
    dev: stats.dev
  }
}

/**
 * The device number is left out of the comparison: it may differ after a reboot or a remount of the same file system,
 * and a file that only looks like another by size, times and inode number is caught by its hash.
 */
export function sameFingerprint(a: FileFingerprint, b: FileFingerprint): boolean {
  return a.size === b.size && a.mtimeNs === b.mtimeNs && a.ctimeNs === b.ctimeNs && a.ino === b.ino
}

/**
 * Tells a file or folder from any other that had or will have its name: an inode number is used again as soon as its
 * file is deleted, so the time of birth goes with it (0 where the file system keeps none).
 */
export function identityOf(stats: Pick<BigIntStats, 'ino' | 'birthtimeNs'>): string {
  return `${stats.ino}:${stats.birthtimeNs}`
}
