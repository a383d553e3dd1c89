/** Small durable values of other rooms (peers, schedules) in the store's LevelDB, checksummed like its own records. */
import type { Database } from './database.ts'

export interface KeyValue {
  /** Undefined where there is none, or where it was damaged (then it is forgotten and `damage` says so). */
  get(key: string): Promise<Uint8Array | undefined>
  /** @param options.sync on the disk when this resolves; default true */
  put(key: string, value: Uint8Array, options?: { sync?: boolean }): Promise<void>
  delete(key: string, options?: { sync?: boolean }): Promise<void>
  /** All or nothing. `value` null deletes. */
  batch(changes: ReadonlyArray<{ key: string; value: Uint8Array | null }>, options?: { sync?: boolean }): Promise<void>
  /** In key order. Keys are whole, `prefix` included. */
  entries(prefix: string): AsyncIterable<{ key: string; value: Uint8Array }>
}

const PREFIX = 'kv/'

export class StoredKeyValue implements KeyValue {
  readonly #db: Database
  readonly #onDamage: (sentence: string) => void

  constructor(db: Database, onDamage: (sentence: string) => void) {
    this.#db = db
    this.#onDamage = onDamage
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    const value = await this.#db.get(PREFIX + key)
    if (value !== 'damaged') return value
    await this.#forget(key)
    return undefined
  }

  async put(key: string, value: Uint8Array, options: { sync?: boolean } = {}): Promise<void> {
    await this.batch([{ key, value }], options)
  }

  async delete(key: string, options: { sync?: boolean } = {}): Promise<void> {
    await this.batch([{ key, value: null }], options)
  }

  async batch(
    changes: ReadonlyArray<{ key: string; value: Uint8Array | null }>,
    { sync = true }: { sync?: boolean } = {}
  ): Promise<void> {
    await this.#db.write(
      changes.map(({ key, value }) =>
        value === null ? { type: 'del', key: PREFIX + key } : { type: 'put', key: PREFIX + key, value }
      ),
      { sync }
    )
  }

  async *entries(prefix: string): AsyncGenerator<{ key: string; value: Uint8Array }> {
    for await (const { key, value } of this.#db.entries(PREFIX + prefix)) {
      if (value === 'damaged') await this.#forget(key.slice(PREFIX.length))
      else yield { key: key.slice(PREFIX.length), value }
    }
  }

  async #forget(key: string): Promise<void> {
    this.#onDamage(`a damaged record (${JSON.stringify(key)}) was forgotten`)
    await this.#db.write([{ type: 'del', key: PREFIX + key }], { sync: false })
  }
}
