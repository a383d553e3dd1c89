/** What the caller of a fetch holds. */
import { ShoalError } from '../base/errors.ts'
import { TypedEvents } from '../base/typed-events.ts'
import type { FetchResult, Transfer, TransferEvents, TransferSnapshot } from './api.ts'
import type { FetchJob } from './fetch-job.ts'
import { newSnapshot } from './new-snapshot.ts'
import type { Source } from './sources.ts'

/**
 * Works before the job exists, and cancels only this caller's part in it. Invariant: its last snapshot is `done` or
 * `failed`, and told, before `done` settles; what the job does for others after that is not this caller's.
 */
export class TransferHandle implements Transfer {
  readonly cid: string
  readonly done: Promise<FetchResult>
  readonly #abort = new AbortController()
  readonly #events = new TypedEvents<TransferEvents>()
  #unfollow = () => {}
  #job: FetchJob | undefined
  /** While there is no job, and once it has ended. */
  #own: TransferSnapshot

  /** @param run the fetch itself; it is told the handle, whose signal fires on `cancel` */
  constructor(source: Source, run: (handle: TransferHandle) => Promise<FetchResult>) {
    this.cid = source.cid
    this.#own = newSnapshot({ cid: source.cid, name: source.name ?? source.cid, path: '' })
    this.done = run(this)
      .finally(() => this.#unfollow())
      .then(
        result => {
          this.#end('done')
          return result
        },
        (err: unknown) => {
          this.#end('failed')
          throw err
        }
      )
    this.done.catch(() => {})
  }

  get signal(): AbortSignal {
    return this.#abort.signal
  }

  follow(job: FetchJob): void {
    this.#job = job
    const offs = [
      job.events.on('state:changed', event => this.#events.emit('state:changed', event)),
      job.events.on('progressed', event => this.#events.emit('progressed', event))
    ]
    this.#unfollow = () => {
      for (const off of offs) off()
    }
  }

  settle(result: FetchResult, name: string): void {
    this.#own = { ...this.#own, name, path: result.path, have: result.size, size: result.size }
  }

  snapshot(): TransferSnapshot {
    return this.#job?.snapshot() ?? this.#own
  }

  on<K extends keyof TransferEvents>(name: K, listener: (event: TransferEvents[K]) => void): () => void {
    return this.#events.on(name, listener)
  }

  cancel(): void {
    this.#abort.abort(new ShoalError('ERR_ABORTED', 'interrupted', { hint: 'run the same command again to continue' }))
  }

  /** A job of several callers goes on without this one, and one that was never begun has told nothing. */
  #end(state: 'done' | 'failed'): void {
    const last = this.snapshot()
    this.#job = undefined
    this.#own = { ...last, state }
    if (last.state !== state) this.#events.emit('state:changed', this.#own)
  }
}
