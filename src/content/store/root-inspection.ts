/**
 * Checks of a root's files against their fingerprints and hashes, and what follows from them: fingerprints, withdrawn
 * and regained pieces, the root's state and the sentence that tells the user.
 */
import { throwIfAborted } from '../../base/errors.ts'
import type { Logger } from '../../base/log.ts'
import { MIB } from '../../base/units.ts'
import { HASHING_AT_ONCE } from '../disk/disk-threads.ts'
import { printable } from '../safe-path.ts'
import type { FileChecker, FileOutcome } from './file-checker.ts'
import { eachLimited, inBatches } from './limit.ts'
import type { LiveRecord } from './live-record.ts'
import type { PieceLedger } from './piece-ledger.ts'
import type { RootFiles, SuspectFile } from './root-files.ts'
import type { TurnGate } from './turn-gate.ts'

const HASHES_AT_ONCE = 4
/** From either on, starting threads pays. */
const WORTH_THREADS_BYTES = 64 * MIB
const WORTH_THREADS_FILES = 256
/** Small files that are hashed together: at most 32 MiB. */
const CONFIRMED_AT_ONCE = 32
/** Outcomes of file checks that are recorded together. */
const OUTCOMES_AT_ONCE = 1024

export interface BadPiece {
  readonly piece: number
  /** Relative to the root; for a single file its own path. */
  readonly path: string
  /** Bytes from the start of that file. */
  readonly offset: number
  readonly reason: string
}

export interface VerifyOptions {
  readonly signal?: AbortSignal
  /** Bytes hashed so far, of those there are to hash, and files begun. */
  readonly onProgress?: (progress: { bytes: number; totalBytes: number; files: number }) => void
}

export interface InspectionInit {
  readonly files: RootFiles
  readonly ledger: PieceLedger
  readonly checker: FileChecker
  readonly writer: {
    /** The file is none that was written: the next write opens and takes what has its name then. */
    forget(entry: number): Promise<void>
    /** Gives a file of a fetch its full size back. */
    restore(entry: number): Promise<void>
  }
  /** Hashes what is doubted, and writes what matches to all of its places. */
  readonly recheckDoubted: () => Promise<unknown>
  readonly record: LiveRecord
  /** Files are not moved while one is checked. */
  readonly gate: TurnGate
  readonly log: Logger
  /** Hears of held pieces that turned out to be lost. */
  readonly onLost: (pieces: readonly number[]) => void
}

export class RootInspection {
  readonly #init: InspectionInit
  /** What the last look at empty files found, a sentence. */
  #emptyProblem: string | null = null
  readonly #rechecks = new Map<number, Promise<void>>()

  constructor(init: InspectionInit) {
    this.#init = init
  }

  /** One check per file at a time; a read that waits for it profits from its outcome. */
  async recheck({ entry, reason, cause }: SuspectFile): Promise<void> {
    const running = this.#rechecks.get(entry)
    if (running !== undefined) return await running
    const { files } = this.#init
    const check = this.#turn(async () => {
      // A read that began before the last check may only have seen the old fingerprint; not so one that failed.
      const stats = await files.disk.lstat(files.path(entry)).catch(() => undefined)
      const print = files.prints.get(entry)
      if (!files.isPartial && print?.altered === false && stats !== undefined && cause === undefined) {
        if (files.difference(entry, stats) === undefined) return await files.reopen(entry)
      }
      await this.settle([await this.#check(entry, { known: reason })])
    })
    this.#rechecks.set(
      entry,
      check.finally(() => this.#rechecks.delete(entry))
    )
    await this.#rechecks.get(entry)
  }

  /** Hashes the files whose fingerprints differ, and looks for the empty ones. Returns the pieces that were lost. */
  async checkFiles(signal?: AbortSignal): Promise<number[]> {
    const lost = new Set<number>()
    await this.#lookForEmpty(signal)
    await this.#checkAll(await this.#init.checker.differing(signal), { signal }, outcome => {
      for (const piece of outcome.lost) lost.add(piece)
    })
    return [...lost]
  }

  /** Hashes every file. Returns what is bad. */
  async verify(options: VerifyOptions): Promise<BadPiece[]> {
    const { files, record } = this.#init
    const { entries } = files.manifest
    await this.#lookForEmpty(options.signal)
    const bad: BadPiece[] = []
    let bytes = 0
    let done = 0
    const onHashed = (hashed: number) => {
      bytes += hashed
      options.onProgress?.({ bytes, totalBytes: record.value.totalBytes, files: done })
    }
    await this.#checkAll([...files.filesWithPieces()], { signal: options.signal, onHashed }, outcome => {
      done += 1
      const path = entries[outcome.entry]?.path || record.value.name
      const reason = outcome.reason ?? 'was changed'
      for (const { piece, fileOffset } of outcome.bad) bad.push({ piece, path, offset: fileOffset, reason })
    })
    return bad
  }

  /** Records what checks found. Without outcomes: makes state and problem agree with what is held. */
  async settle(outcomes: readonly FileOutcome[]): Promise<void> {
    const { files, ledger, record, log, onLost } = this.#init
    const before = record.value
    // of a fetch they are not held already, unless they were fetched again
    const isHeld = !files.isPartial
    const lost = [...new Set(outcomes.flatMap(outcome => outcome.lost))].filter(
      piece => ledger.have.has(piece) === isHeld
    )
    const regained = outcomes.flatMap(outcome => outcome.regained)
    if (regained.length > 0) await ledger.wrote([...new Set(regained)], [], 0)
    if (!files.isPartial) {
      const state = ledger.have.count - lost.length === ledger.have.length ? 'complete' : 'damaged'
      const problem = this.#anyAltered() || state === 'damaged' ? this.#problemOf(outcomes) : this.#emptyProblem
      record.set({ state, problem })
    } else {
      this.#followTemp()
    }
    if (files.isPartial && lost.length > 0) {
      const path = files.path(outcomes[0]?.entry ?? 0)
      log.warn('%s changed during the fetch: %d pieces are fetched again', path, lost.length)
    }
    const now = record.value
    if (outcomes.length === 0 && now.state === before.state && now.problem === before.problem) return
    const prints = files.isPartial
      ? []
      : files.printOps(
          record.id,
          outcomes.map(({ entry }) => entry)
        )
    const withdrawn = ledger.withdraw(lost, prints)
    if (lost.length > 0) onLost(lost)
    await withdrawn
    if (!files.isPartial) await ledger.flush()
    await record.save()
  }

  /** Hashes these files whatever their fingerprints say, and settles what is found. */
  async #checkAll(
    entries: readonly number[],
    options: { signal?: AbortSignal | undefined; onHashed?: (bytes: number) => void },
    onOutcome: (outcome: FileOutcome) => void
  ): Promise<void> {
    const { checker, files, gate } = this.#init
    let outcomes: FileOutcome[] = []
    const take = async (outcome: FileOutcome) => {
      onOutcome(outcome)
      outcomes.push(outcome)
      if (outcomes.length < OUTCOMES_AT_ONCE) return
      const full = outcomes
      outcomes = []
      await this.settle(full)
    }
    const bytes = entries.reduce((sum, entry) => sum + files.size(entry), 0)
    const onThreads = entries.length >= WORTH_THREADS_FILES || bytes >= WORTH_THREADS_BYTES
    try {
      const confirmed = new Set<number>()
      const onePiece = onThreads ? entries.filter(entry => checker.isOnePiece(entry)) : []
      await eachLimited(inBatches(onePiece, CONFIRMED_AT_ONCE), HASHING_AT_ONCE, async batch => {
        throwIfAborted(options.signal)
        for (const outcome of await gate.pass(() => checker.confirm(batch))) {
          confirmed.add(outcome.entry)
          options.onHashed?.(files.size(outcome.entry))
          await take(outcome)
        }
      })
      const rest = entries.filter(entry => !confirmed.has(entry))
      await eachLimited(rest, HASHES_AT_ONCE, async entry => {
        throwIfAborted(options.signal)
        await take(await this.#turn(() => this.#check(entry, { ...options, onThreads })))
      })
    } finally {
      if (outcomes.length > 0 || entries.length === 0) await this.settle(outcomes)
    }
  }

  async #check(entry: number, options: Parameters<FileChecker['check']>[1]): Promise<FileOutcome> {
    const outcome = await this.#init.checker.check(entry, options)
    return this.#init.files.isPartial ? await this.#mend(outcome) : outcome
  }

  /**
   * What a fetch has of a file may be right, and the file too short or too long: then no read would trust it. What is
   * wrong is doubted, durably before anything is written: what is held elsewhere is written here anew, as a piece that is
   * recorded is right in all of its places, or the fetch would end with a file that is not what it should be.
   */
  async #mend(outcome: FileOutcome): Promise<FileOutcome> {
    const { ledger, writer, onLost, recheckDoubted } = this.#init
    const { entry, reason, bad } = outcome
    const hurt = [...new Set(bad.map(({ piece }) => piece))].filter(piece => ledger.have.has(piece))
    const isLost = (piece: number) => !ledger.have.has(piece)
    try {
      if (hurt.length > 0) await ledger.doubt(hurt)
      if (reason !== undefined) await writer.forget(entry)
      await writer.restore(entry)
      if (hurt.length > 0) await recheckDoubted()
    } catch (err) {
      onLost(hurt.filter(isLost))
      throw err
    }
    return { ...outcome, lost: hurt.filter(isLost) }
  }

  /** Of a fetch nothing is read or written while a file is checked and mended. */
  async #turn<T>(work: () => Promise<T>): Promise<T> {
    const { files, gate } = this.#init
    return files.isPartial ? await gate.alone(work) : await gate.pass(work)
  }

  /** Another temporary file than the one recorded was hashed: it is the one from here on. */
  #followTemp(): void {
    const { files, record } = this.#init
    const identity = files.identity(0)
    if (identity !== undefined && record.value.tempId !== null) record.set({ tempId: identity })
  }

  /** They hold no byte of a piece: nothing is withdrawn, but whoever shares the folder should know. */
  async #lookForEmpty(signal?: AbortSignal): Promise<void> {
    const { checker, files } = this.#init
    if (files.isPartial) return
    const [first, ...others] = await checker.changedEmpty(signal)
    if (first === undefined) this.#emptyProblem = null
    else {
      const more = others.length > 0 ? ` (and ${others.length} more)` : ''
      const path = printable(files.path(first.entry))
      this.#emptyProblem = `${path} ${first.reason}${more}; it was empty, so everything is still served`
    }
  }

  #anyAltered(): boolean {
    for (const { altered } of this.#init.files.prints.values()) if (altered) return true
    return false
  }

  /** A sentence on the worst of what was found; where nothing bad was found, what was said before. */
  #problemOf(outcomes: readonly FileOutcome[]): string | null {
    const { files, record } = this.#init
    const differing = outcomes.filter(({ reason }) => reason !== undefined)
    const worst =
      differing.find(outcome => outcome.lost.length > 0) ?? differing.find(({ bad }) => bad.length > 0) ?? differing[0]
    if (worst === undefined) return record.value.problem
    const changed = differing.length
    const others = changed > 1 ? ` (and ${changed - 1} more)` : ''
    const withdrawn = outcomes.reduce((sum, { lost }) => sum + lost.length, 0)
    const consequence =
      withdrawn > 0
        ? `what no longer matches is not served (${withdrawn} of ${record.value.pieces} pieces)`
        : worst.bad.length > 0
          ? 'its pieces are served from other places'
          : 'what was there before is still served'
    return `${printable(files.path(worst.entry))} ${worst.reason ?? 'was changed'}${others}; ${consequence}`
  }
}
