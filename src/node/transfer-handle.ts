/** What the caller of a fetch holds. */
import { ShoalError } from '../base/errors.ts'
import type { FetchResult, Transfer, TransferEvents, TransferSnapshot } from './api.ts'
import type { FetchJob } from './fetch-job.ts'
import { newSnapshot } from './new-snapshot.ts'
import type { Source } from './sources.ts'

/** Works before the job exists, and cancels only this caller's part in it. */
export class TransferHandle implements Transfer {
  readonly cid: string
  readonly done: Promise<FetchResult>
  readonly #abort = new AbortController()
  readonly #listeners: Array<(job: FetchJob) => void> = []
  #job: FetchJob | undefined
  #idle: TransferSnapshot

  /** @param run the fetch itself; it is told the handle, whose signal fires on `cancel` */
  constructor(source: Source, run: (handle: TransferHandle) => Promise<FetchResult>) {
    this.cid = source.cid
    this.#idle = newSnapshot({ cid: source.cid, name: source.name ?? source.cid, path: '' })
    this.done = run(this)
    this.done.catch(() => {
      if (this.#job === undefined) this.#idle = { ...this.#idle, state: 'failed' }
    })
  }

  get signal(): AbortSignal {
    return this.#abort.signal
  }

  follow(job: FetchJob): void {
    this.#job = job
    for (const listen of this.#listeners) listen(job)
  }

  settle(result: FetchResult, name: string): void {
    this.#idle = { ...this.#idle, name, path: result.path, state: 'done', have: result.size, size: result.size }
  }

  snapshot(): TransferSnapshot {
    return this.#job?.snapshot() ?? this.#idle
  }

  on<K extends keyof TransferEvents>(name: K, listener: (event: TransferEvents[K]) => void): () => void {
    let off = () => {}
    const listen = (job: FetchJob) => {
      off = job.events.on(name, listener)
    }
    if (this.#job !== undefined) listen(this.#job)
    else this.#listeners.push(listen)
    return () => {
      const at = this.#listeners.indexOf(listen)
      if (at >= 0) this.#listeners.splice(at, 1)
      off()
    }
  }

  cancel(): void {
    this.#abort.abort(new ShoalError('ERR_ABORTED', 'interrupted', { hint: 'run the same command again to continue' }))
  }
}
