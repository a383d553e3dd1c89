/** What a loaded root consists of, and how it is read from the records. */

import type { CID } from 'multiformats/cid'
import type { Logger } from '../../base/log.ts'
import type { DiskThreads } from '../disk/disk-threads.ts'
import { identityOf } from '../fingerprint.ts'
import type { Manifest } from '../manifest.ts'
import { doubtChanged } from './closed-fetch.ts'
import type { Database } from './database.ts'
import { isFolderRoot, statOf } from './destination.ts'
import type { Disk } from './disk.ts'
import { FileChecker } from './file-checker.ts'
import type { LiveRecord } from './live-record.ts'
import { PieceLedger } from './piece-ledger.ts'
import { PieceReader } from './piece-reader.ts'
import { PieceWriter } from './piece-writer.ts'
import { decodeFingerprints, FILES_PER_RECORD, kindPrefix, parseKey } from './records.ts'
import { rewritePieces } from './rewrite-pieces.ts'
import { RootFiles } from './root-files.ts'
import { RootInspection } from './root-inspection.ts'
import type { TurnGate } from './turn-gate.ts'
import { undoMove } from './undo-move.ts'
import { recheckUnrecorded } from './unrecorded-pieces.ts'

export interface RootParts {
  readonly manifest: Manifest
  readonly files: RootFiles
  readonly ledger: PieceLedger
  readonly reader: PieceReader
  readonly writer: PieceWriter
  readonly inspection: RootInspection
}

/** What the parts need of the root that they belong to. */
export interface PartsInit {
  readonly disk: Disk
  readonly db: Database
  readonly cid: CID
  readonly record: LiveRecord
  /** Passed by reads, writes and checks; closed while files move. */
  readonly gate: TurnGate
  readonly log: Logger
  readonly threads: DiskThreads | undefined
  /** Hears of held pieces that turned out to be lost. */
  readonly onLost: (pieces: readonly number[]) => void
}

/** Nothing held yet, no fingerprint known. */
export function assembleParts(init: PartsInit, manifest: Manifest): RootParts {
  const { disk, db, record, log } = init
  const { temp, tempId, path, state } = record.value
  const files = new RootFiles({ disk, manifest, base: temp ?? path, isPartial: state === 'partial' })
  if (tempId !== null && !isFolderRoot(manifest)) files.identify(0, tempId)
  const ledger: PieceLedger = new PieceLedger({
    db,
    id: record.id,
    manifest,
    // The user's own files are taken as they are; only what a fetch wrote is synced.
    sync: async entry => (files.isPartial ? await writer.sync(entry) : undefined),
    syncNames: async () => (files.isPartial ? await files.names.sync() : undefined),
    syncSmall: async entries => (files.isPartial ? await writer.syncSmall(entries) : new Map()),
    syncBatch: waiting => writer.syncBatch(waiting),
    rewrite: pieces => rewritePieces({ manifest, reader, writer }, pieces, init.onLost),
    rootOps: () => record.accompanyingOps(),
    log
  })
  const reader: PieceReader = new PieceReader(manifest, files, ledger, init.threads)
  const writer: PieceWriter = new PieceWriter(manifest, files, ledger, init.threads)
  const checker = new FileChecker({ manifest, files, ledger, reader, threads: init.threads })
  const parts = { manifest, files, ledger, reader, writer }
  const recheckDoubted = () => recheckUnrecorded(parts)
  const inspection = new RootInspection({ ...init, files, ledger, checker, writer, recheckDoubted })
  return { ...parts, inspection }
}

/** As the records have them. What they say of a fetch is believed only where its temporary file is the one they mean. */
export async function loadParts(init: PartsInit, manifest: Manifest): Promise<RootParts> {
  const parts = assembleParts(init, manifest)
  await parts.ledger.load()
  await loadFingerprints(init, parts)
  if (init.record.value.state === 'partial') await resume(init, parts)
  return parts
}

async function loadFingerprints({ db, cid, record, log }: PartsInit, { manifest, files }: RootParts): Promise<void> {
  for await (const { key, value } of db.entries(kindPrefix('file', record.id))) {
    const prints = value === 'damaged' ? undefined : decodeFingerprints(value)
    if (prints === undefined) {
      const first = (parseKey(key)?.index ?? 0) * FILES_PER_RECORD
      log.warn('%s: the fingerprints of files %d and following are damaged', cid, first)
      continue
    }
    for (const [entry, print] of prints) if (manifest.entries[entry]?.kind === 'file') files.prints.set(entry, print)
  }
}

async function resume(init: PartsInit, parts: RootParts): Promise<void> {
  const { disk, record, log } = init
  const { files, ledger } = parts
  const { temp } = record.value
  if (temp === null) return
  if (record.value.moving) {
    // what went on when it was cut short nobody knows
    await ledger.doubt([...ledger.have.ones()])
    await undoMoveOf(init, parts)
  }
  const stats = await statOf(disk, temp)
  if (stats !== undefined && identityOf(stats) === record.value.tempId) await doubtChanged(init, parts)
  else {
    // Not recorded: a drive that is attached again brings it back.
    log.warn('%s is gone: nothing of it is held', temp)
    ledger.forget()
  }
  files.prints.clear()
}

/** What was moved is under its temporary name again, durably so; `moving` is recorded until then. */
export async function undoMoveOf({ disk, record }: PartsInit, { manifest, files }: RootParts): Promise<void> {
  const { temp, tempId, path } = record.value
  if (temp === null) return
  await undoMove(disk, { temp, id: tempId ?? '', path, manifest, prints: files.prints })
  // a folder may have been made anew
  const back = isFolderRoot(manifest) ? await statOf(disk, temp) : undefined
  if (back !== undefined) record.set({ tempId: identityOf(back) })
  await notMoved({ record }, { files })
}

/** All is under its temporary name, durably so. */
export async function notMoved(
  { record }: Pick<PartsInit, 'record'>,
  { files }: Pick<RootParts, 'files'>
): Promise<void> {
  // they were for the move: from here on our own writes change what they say
  files.prints.clear()
  await record.save({ moving: false })
}
