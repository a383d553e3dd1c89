/**
 * Brings written pieces into the records: `written` bits soon, `have` bits after fdatasync of their files. One thing at
 * a time, in the order of the calls (docs/store.md, "What is durable, and when").
 */
import { ShoalError } from '../../base/errors.ts'
import type { Logger } from '../../base/log.ts'
import { MIB } from '../../base/units.ts'
import { SYNCING_AT_ONCE } from '../disk/disk-threads.ts'
import type { Manifest } from '../manifest.ts'
import type { Database, RecordOp } from './database.ts'
import type { Envelopes } from './envelopes.ts'
import { eachLimited, inBatches } from './limit.ts'
import type { PieceBits } from './piece-bits.ts'
import { SyncBacklog } from './sync-backlog.ts'

/** After so long a written piece is known to LevelDB, so that `kill -9` costs only hashing it. */
const WRITTEN_DELAY_MS = 250
/** After so long, or so many bytes, written pieces are synced and recorded. */
const RECORD_DELAY_MS = 1000
const RECORD_BYTES = 64 * MIB
/** A writer waits for the recorder when this much is behind: a slow disk must not let it grow. */
const MAX_BEHIND_BYTES = 2 * RECORD_BYTES
/** A batch takes so long for small files while a fetch runs; the rest waits for the next. */
const SMALL_FILES_MS = 1000
/** A file system commits together what is synced at the same time: fewer at once took longer, not less of the disk. */
const MAX_SYNCS = 16

export interface RecorderInit {
  readonly db: Database
  readonly manifest: Manifest
  readonly bits: PieceBits
  readonly envelopes: Envelopes
  readonly sync: (entry: number) => Promise<void>
  readonly syncNames: () => Promise<void>
  readonly syncSmall: (entries: readonly number[]) => Promise<ReadonlyMap<number, unknown>>
  /** Of how many small files `syncSmall` should be asked at once where so many wait. */
  readonly syncBatch: (waiting: number) => number
  readonly rewrite: (pieces: readonly number[]) => Promise<number[]>
  readonly rootOps: () => RecordOp[]
  readonly log: Logger
}

export class Recorder {
  readonly #init: RecorderInit
  readonly #backlog: SyncBacklog
  #writtenTimer: NodeJS.Timeout | undefined
  #recordTimer: NodeJS.Timeout | undefined
  #queue: Promise<void> = Promise.resolve()
  #failure: Error | undefined
  #dropped = false

  constructor(init: RecorderInit) {
    this.#init = init
    this.#backlog = new SyncBacklog(init.manifest)
  }

  /** Resolves at once, unless the recorder is far behind. */
  async wrote(pieces: readonly number[], entries: Iterable<number>, bytes: number): Promise<void> {
    this.#backlog.add(pieces, entries, bytes)
    this.schedule()
    if (this.#backlog.bytes > MAX_BEHIND_BYTES) await this.#inTurn(() => this.#record(SMALL_FILES_MS))
  }

  /** Something changed that the records do not know. */
  schedule(): void {
    if (this.#dropped) return
    if (this.#init.bits.isBehind) this.#writtenTimer ??= this.#later(WRITTEN_DELAY_MS, () => this.#noteWritten())
    if (this.#backlog.isEmpty) return
    const isUrgent = this.#backlog.bytes >= RECORD_BYTES
    if (isUrgent && this.#recordTimer !== undefined) {
      clearTimeout(this.#recordTimer)
      this.#recordTimer = undefined
    }
    const record = () => this.#record(SMALL_FILES_MS)
    this.#recordTimer ??= this.#later(isUrgent ? 0 : RECORD_DELAY_MS, record)
  }

  /** Writes records, synced. */
  async write(ops: () => RecordOp[]): Promise<void> {
    await this.#inTurn(() => this.#write(ops()))
  }

  async flush({ withinMs = Number.POSITIVE_INFINITY }: { withinMs?: number }): Promise<void> {
    await this.#inTurn(() => this.#record(withinMs))
  }

  throwFailure(): void {
    const failure = this.#failure
    this.#failure = undefined
    if (failure !== undefined) throw failure
  }

  /** Nothing is written from here on. Waits for what is under way. */
  async drop(): Promise<void> {
    this.#dropped = true
    this.#stopTimers()
    await this.#queue
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const turn = this.#queue.then(work)
    this.#queue = turn.catch(() => {})
    return turn
  }

  #later(delayMs: number, work: () => Promise<void>): NodeJS.Timeout {
    return setTimeout(() => {
      this.#inTurn(work).catch(err => {
        this.#failure = err instanceof Error ? err : new ShoalError('ERR_BUG', String(err))
        this.#init.log.error('recording pieces failed: %s', this.#failure.message)
      })
    }, delayMs).unref()
  }

  #stopTimers(): void {
    clearTimeout(this.#writtenTimer)
    clearTimeout(this.#recordTimer)
    this.#writtenTimer = undefined
    this.#recordTimer = undefined
  }

  /** Not synced: LevelDB's log keeps its order. */
  async #noteWritten(): Promise<void> {
    this.#writtenTimer = undefined
    const { ops, written } = this.#init.envelopes.pending()
    ops.push(...this.#init.bits.takeWrittenOps())
    if (this.#dropped) return
    await this.#init.db.write(ops, { sync: false })
    written()
  }

  async #record(smallFilesMs: number): Promise<void> {
    this.#stopTimers()
    await this.#noteWritten()
    if (this.#dropped) return
    await this.#repair()
    const { durable, failure } = await this.#sync(smallFilesMs)
    await this.#recordDurable(durable)
    if (failure !== undefined) throw failure
    this.schedule()
  }

  /** Pieces of files whose last fdatasync failed are written again before the next one is believed. */
  async #repair(): Promise<void> {
    if (!this.#backlog.hasFailed) return
    const { bits, rewrite } = this.#init
    const lost = await rewrite(this.#backlog.failedPieces(piece => bits.isFresh(piece)))
    for (const piece of lost) bits.withdraw(piece)
    await this.#write(bits.ops(lost))
    this.#backlog.repaired()
  }

  /** @returns pieces that are on the disk now; what could not be synced goes on waiting */
  async #sync(smallFilesMs: number): Promise<{ durable: number[]; failure: unknown }> {
    const backlog = this.#backlog
    const synced: number[] = []
    let failure: unknown
    const sync = async (entry: number) => {
      // The disk is in trouble: the others wait for the next time.
      if (failure !== undefined) return backlog.putBack(entry)
      try {
        await this.#init.sync(entry)
        synced.push(entry)
      } catch (err) {
        backlog.fail(entry)
        failure ??= err
      }
    }
    await eachLimited(backlog.takeLarge(), MAX_SYNCS, sync)
    const until = performance.now() + smallFilesMs
    const small = backlog.takeSmall(() => failure === undefined && performance.now() < until)
    const batch = this.#init.syncBatch(backlog.smallCount)
    await eachLimited(inBatches(small, batch), SYNCING_AT_ONCE, async entries => {
      const failed = await this.#init.syncSmall(entries)
      for (const entry of entries) {
        if (!failed.has(entry)) synced.push(entry)
        else {
          backlog.fail(entry)
          failure ??= failed.get(entry)
        }
      }
    })
    return { durable: backlog.takeDurable(synced), failure }
  }

  async #recordDurable(durable: readonly number[]): Promise<void> {
    const { bits, rootOps, syncNames } = this.#init
    const pieces = durable.filter(piece => bits.have.has(piece))
    if (pieces.length === 0) return
    try {
      await syncNames()
    } catch (err) {
      this.#backlog.add(pieces, [], 0)
      throw err
    }
    for (const piece of pieces) bits.record(piece)
    try {
      await this.#write([...bits.ops(pieces), ...rootOps()])
    } catch (err) {
      this.#backlog.add(pieces, [], 0)
      throw err
    }
  }

  async #write(ops: readonly RecordOp[]): Promise<void> {
    if (!this.#dropped) await this.#init.db.write(ops, { sync: true })
  }
}
