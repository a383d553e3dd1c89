/** The end of a fetch: the rest of its tree is made, and everything moves into place (docs/store.md, "Completing"). */
import { fromSystemError, ShoalError } from '../../base/errors.ts'
import { printAt } from '../disk/disk-jobs.ts'
import { type DiskThreads, HASHING_AT_ONCE } from '../disk/disk-threads.ts'
import { fingerprintOf } from '../fingerprint.ts'
import type { Skipped } from '../ingest.ts'
import type { Database, RecordOp } from './database.ts'
import { isFolderRoot, moveIntoPlace, statOf, undoMove } from './destination.ts'
import { makeLinks, makeTree, skippedLinks } from './fetched-tree.ts'
import { eachLimited, inBatches } from './limit.ts'
import type { LiveRecord } from './live-record.ts'
import type { RootFiles } from './root-files.ts'
import type { RootParts } from './root-parts.ts'
import { forgetTempOps } from './temp-ledger.ts'

const STATS_AT_ONCE = 32
/** Looked at together on a thread. */
const THREAD_STATS = 1024

export interface CompletionInit {
  readonly db: Database
  readonly parts: RootParts
  readonly record: LiveRecord
  readonly threads: DiskThreads | undefined
  readonly readNode: (index: number) => Promise<Uint8Array>
  /** Whether what is at the destination may be replaced. */
  readonly force: boolean
}

/**
 * All pieces are held, and nobody reads or writes meanwhile. Durable when it resolves.
 * @returns the symbolic links that were not made
 * @throws ERR_EXISTS where something came into being at the destination: the content stays under its temporary name
 */
export async function completeRoot(init: CompletionInit): Promise<Skipped[]> {
  const { parts, record, force } = init
  const { manifest, files, ledger, writer } = parts
  const { temp, tempId, path } = record.value
  let skipped = skippedLinks(manifest)
  if (temp !== null) {
    await writer.checkDrive()
    await makeTree(manifest, files, writer, init.readNode)
    await ledger.flush()
    if (!ledger.isRecorded) {
      throw new ShoalError('ERR_IO', `not all of ${path} could be written to the disk`, {
        hint: 'check the disk, and run the same command again'
      })
    }
    if (isFolderRoot(manifest)) skipped = await makeLinks(manifest, files)
    else skipped = []
    await record.save({ moving: true })
    await writer.close()
    await files.close()
    try {
      await moveIntoPlace(files.disk, { temp, path, manifest, force })
    } catch (err) {
      await undoMove(files.disk, { temp, id: tempId ?? '', path, manifest }).catch(() => {})
      await record.save({ moving: false })
      throw err
    }
  }
  // What could not be moved is told by the ledger later on.
  const isTempGone = temp !== null && (await statOf(files.disk, temp)) === undefined
  await settleInPlace(init, isTempGone ? forgetTempOps(temp) : [])
  return skipped
}

/** Fingerprints of what lies in place now, and the state, in one synced batch. */
async function settleInPlace(
  { db, parts, record, threads }: CompletionInit,
  along: readonly RecordOp[]
): Promise<void> {
  const { manifest, files } = parts
  files.base = record.value.path
  files.isPartial = false
  await takeFingerprints(files, threads)
  record.set({ state: 'complete', temp: null, tempId: null, moving: false, problem: null })
  const entries = [...manifest.entries.keys()].filter(entry => files.prints.has(entry))
  await db.write([...files.printOps(record.id, entries), ...record.ops(), ...along], { sync: true })
}

/** Returns the entries whose files are to be looked at from here. */
async function takeOnThread(files: RootFiles, entries: number[], threads: DiskThreads): Promise<number[]> {
  const rest: number[] = []
  await eachLimited(inBatches(entries, THREAD_STATS), HASHING_AT_ONCE, async batch => {
    if (batch.length < THREAD_STATS / 8) rest.push(...batch)
    else {
      const { prints, failed } = await threads.run('statFiles', { paths: batch.map(entry => files.path(entry)) })
      const others = new Set(failed)
      for (const [index, entry] of batch.entries()) {
        if (others.has(index)) rest.push(entry)
        else files.prints.set(entry, { ...printAt(prints, index), altered: false })
      }
    }
  })
  return rest
}

/** Of every file as it is. */
export async function takeFingerprints(files: RootFiles, threads?: DiskThreads): Promise<void> {
  const entries = [...files.manifest.entries.keys()].filter(index => files.manifest.entries[index]?.kind === 'file')
  const rest = threads === undefined ? entries : await takeOnThread(files, entries, threads)
  await eachLimited(rest, STATS_AT_ONCE, async index => {
    const path = files.path(index)
    const stats = await files.disk.lstat(path).catch(err => {
      throw fromSystemError(err, path)
    })
    files.prints.set(index, { ...fingerprintOf(stats), altered: false })
  })
}
