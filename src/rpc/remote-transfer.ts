/** A fetch that runs in another process: its newest snapshot is kept here, its events are repeated. */
import { TypedEvents } from '../base/typed-events.ts'
import type { FetchResult, Transfer, TransferEvents, TransferSnapshot } from '../node/api.ts'
import { newSnapshot } from '../node/new-snapshot.ts'

export type StartFetch = (
  cancelled: AbortSignal,
  onEvent: (event: string, data: unknown) => void
) => Promise<FetchResult>

export class RemoteTransfer implements Transfer {
  readonly cid: string
  readonly done: Promise<FetchResult>
  readonly #events = new TypedEvents<TransferEvents>()
  readonly #cancelled = new AbortController()
  #snapshot: TransferSnapshot

  constructor({ cid, name, path }: { cid: string; name: string; path: string }, start: StartFetch) {
    this.cid = cid
    this.#snapshot = newSnapshot({ cid, name, path })
    this.done = start(this.#cancelled.signal, (event, data) => this.#receive(event, data))
    this.done.then(
      () => this.#end('done'),
      () => this.#end('failed')
    )
  }

  snapshot(): TransferSnapshot {
    return this.#snapshot
  }

  on<K extends keyof TransferEvents>(name: K, listener: (event: TransferEvents[K]) => void): () => void {
    return this.#events.on(name, listener)
  }

  cancel(): void {
    this.#cancelled.abort()
  }

  #receive(event: string, data: unknown): void {
    this.#snapshot = data as TransferSnapshot
    this.#events.emit(event === 'state' ? 'state:changed' : 'progressed', this.#snapshot)
  }

  /** The last events may have been dropped on the way: the end is told in any case. */
  #end(state: 'done' | 'failed'): void {
    if (this.#snapshot.state === state) return
    this.#snapshot = { ...this.#snapshot, state }
    this.#events.emit('state:changed', this.#snapshot)
  }
}
