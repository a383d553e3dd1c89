/**
 * A fetch whose disk takes nothing waits here: it tries again after 1, 2, 4, 8 s and then every 8 s, and gives up when
 * nothing could be written for so long as the fetch may be without progress.
 */
import type { Clock } from '../base/clock.ts'
import { type ErrorCode, ShoalError } from '../base/errors.ts'
import { SECOND_MS } from '../base/units.ts'

const FIRST_RETRY_MS = SECOND_MS
const MAX_RETRY_MS = 8 * SECOND_MS

const DISK_TROUBLE: ReadonlySet<ErrorCode> = new Set(['ERR_NO_SPACE', 'ERR_NO_PERMISSION', 'ERR_READ_ONLY', 'ERR_IO'])

/** What a file system says of a file that it can never have. */
const NEVER_PASSES: ReadonlySet<unknown> = new Set(['ENAMETOOLONG', 'EILSEQ', 'EFBIG'])

/** What may pass: space is freed, a disk is mounted again. */
export function isDiskTrouble(err: unknown): err is ShoalError {
  return err instanceof ShoalError && DISK_TROUBLE.has(err.code) && !NEVER_PASSES.has(err.details['system'])
}

export interface DiskPauseInit {
  readonly clock: Clock
  readonly timeoutMs: number
  /** Throws while the disk is known to take nothing. */
  readonly probe: () => Promise<void>
  /** `problem` changed. */
  readonly onChanged: () => void
  /** Go on: the next write tells whether the disk is well. */
  readonly onRetry: () => void
  readonly onGivenUp: (problem: ShoalError) => void
}

export class DiskPause {
  readonly #init: DiskPauseInit
  #problem: ShoalError | undefined
  #since = 0
  #retryMs = FIRST_RETRY_MS
  #timer: NodeJS.Timeout | undefined
  #isWaiting = false
  #ended = false

  constructor(init: DiskPauseInit) {
    this.#init = init
  }

  /** What the disk said last; undefined while it works. */
  get problem(): ShoalError | undefined {
    return this.#problem
  }

  /** Whether nothing is fetched now: between a failure and the next try. */
  get isWaiting(): boolean {
    return this.#isWaiting
  }

  /** A write failed. */
  failed(problem: ShoalError): void {
    if (this.#ended) return
    if (this.#problem === undefined) this.#since = this.#init.clock.now()
    // The first of its kind is told: a later look at the same disk only says it in other words.
    const isNews = this.#problem?.code !== problem.code
    if (isNews) this.#problem = problem
    // Others that were under way when the first failed say the same.
    if (!this.#isWaiting) this.#waitOrGiveUp()
    if (isNews && !this.#ended) this.#init.onChanged()
  }

  /** Something was written. */
  worked(): void {
    if (this.#problem === undefined || this.#isWaiting) return
    this.#problem = undefined
    this.#retryMs = FIRST_RETRY_MS
    this.#init.onChanged()
  }

  end(): void {
    this.#ended = true
    clearTimeout(this.#timer)
  }

  #waitOrGiveUp(): void {
    const { clock, timeoutMs, onGivenUp } = this.#init
    const leftMs = this.#since + timeoutMs - clock.now()
    if (leftMs <= 0) {
      this.end()
      if (this.#problem !== undefined) onGivenUp(this.#problem)
      return
    }
    this.#isWaiting = true
    this.#timer = setTimeout(() => void this.#retry(), Math.min(this.#retryMs, leftMs))
    this.#retryMs = Math.min(2 * this.#retryMs, MAX_RETRY_MS)
  }

  /** Never rejects. */
  async #retry(): Promise<void> {
    const { probe, onRetry } = this.#init
    const problem = await probe().then(
      () => undefined,
      (err: unknown) => (err instanceof ShoalError ? err : new ShoalError('ERR_IO', String(err), { cause: err }))
    )
    if (this.#ended) return
    this.#isWaiting = false
    if (problem === undefined) onRetry()
    else this.failed(problem)
  }
}
