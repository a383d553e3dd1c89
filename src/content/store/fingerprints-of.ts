/** The fingerprints of a root's files as they are now, on threads where they are many. */
import { printAt } from '../disk/disk-jobs.ts'
import { type DiskThreads, HASHING_AT_ONCE } from '../disk/disk-threads.ts'
import { type FileFingerprint, fingerprintOf } from '../fingerprint.ts'
import { statOf } from './destination.ts'
import { eachLimited, inBatches } from './limit.ts'
import type { RootFiles } from './root-files.ts'

const STATS_AT_ONCE = 32
/** Looked at together on a thread. */
const THREAD_STATS = 1024

/** By entry. */
export type FilePrints = ReadonlyMap<number, FileFingerprint>

/** Of every file as it is, and why where there is none. */
export async function fingerprintsOf(
  files: RootFiles,
  threads?: DiskThreads
): Promise<{ readonly prints: FilePrints; readonly missing: ReadonlyMap<number, string> }> {
  const prints = new Map<number, FileFingerprint>()
  const missing = new Map<number, string>()
  const entries = [...files.manifest.entries.keys()].filter(index => files.manifest.entries[index]?.kind === 'file')
  const rest = threads === undefined ? entries : await takeOnThreads(files, { entries, threads, prints })
  await eachLimited(rest, STATS_AT_ONCE, async entry => {
    const stats = await statOf(files.disk, files.path(entry))
    if (stats?.isFile() === true) prints.set(entry, fingerprintOf(stats))
    else missing.set(entry, stats === undefined ? 'was deleted' : 'is no file any more')
  })
  return { prints, missing }
}

/** Returns the entries whose files are to be looked at from here. */
async function takeOnThreads(
  files: RootFiles,
  { entries, threads, prints }: { entries: number[]; threads: DiskThreads; prints: Map<number, FileFingerprint> }
): Promise<number[]> {
  const rest: number[] = []
  await eachLimited(inBatches(entries, THREAD_STATS), HASHING_AT_ONCE, async batch => {
    if (batch.length < THREAD_STATS / 8) return void rest.push(...batch)
    const stated = await threads.run('statFiles', { paths: batch.map(entry => files.path(entry)) })
    const others = new Set(stated.failed)
    for (const [index, entry] of batch.entries()) {
      if (others.has(index)) rest.push(entry)
      else prints.set(entry, printAt(stated.prints, index))
    }
  })
  return rest
}
