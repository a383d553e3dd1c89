/**
 * LevelDB as a power cut sees it: batches are kept in the order in which they came, and those after the last synced one
 * may be lost, the last ones first.
 */
import type { Random } from '../../src/base/random.ts'
import type { KeyRange, Level, RecordOp } from '../../src/content/store/database.ts'

export class SimulatedLevel implements Level {
  /** Passed before each batch takes effect; may throw. */
  trouble: (sync: boolean) => Promise<void> = async () => {}
  readonly #batches: RecordOp[][]
  #synced: number
  #records = new Map<string, Uint8Array>()

  constructor(batches: readonly RecordOp[][] = []) {
    this.#batches = [...batches]
    this.#synced = batches.length
    for (const ops of batches) this.#apply(ops)
  }

  afterCut(random: Random): SimulatedLevel {
    const unsynced = this.#batches.length - this.#synced
    return new SimulatedLevel(this.#batches.slice(0, this.#synced + random.below(unsynced + 1)))
  }

  /** What lies under `prefix`. */
  keysOf(prefix: string): string[] {
    return [...this.#records.keys()].filter(key => key.startsWith(prefix)).sort()
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    return this.#records.get(key)
  }

  async getMany(keys: string[]): Promise<Array<Uint8Array | undefined>> {
    return keys.map(key => this.#records.get(key))
  }

  iterator(range: KeyRange) {
    const entries = this.#within(range).map(key => [key, this.#records.get(key) ?? new Uint8Array(0)] as const)
    return {
      nextv: async (count: number) =>
        entries.splice(0, count).map(([key, value]): [string, Uint8Array] => [key, value]),
      close: async () => {}
    }
  }

  keys(range: KeyRange & { readonly limit?: number }) {
    const keys = this.#within(range).slice(0, range.limit)
    return {
      next: async () => keys.shift(),
      nextv: async (count: number) => keys.splice(0, count),
      close: async () => {}
    }
  }

  async batch(ops: RecordOp[], { sync }: { readonly sync: boolean }): Promise<void> {
    await this.trouble(sync)
    this.#batches.push(ops)
    this.#apply(ops)
    if (sync) this.#synced = this.#batches.length
  }

  async clear(range: KeyRange): Promise<void> {
    const ops = this.#within(range).map((key): RecordOp => ({ type: 'del', key }))
    if (ops.length > 0) await this.batch(ops, { sync: false })
  }

  async approximateSize(): Promise<number> {
    return 0
  }

  async compactRange(): Promise<void> {}

  async close(): Promise<void> {}

  #apply(ops: readonly RecordOp[]): void {
    for (const op of ops) {
      if (op.type === 'put') this.#records.set(op.key, op.value)
      else this.#records.delete(op.key)
    }
  }

  #within({ gte, lt }: KeyRange): string[] {
    return [...this.#records.keys()].filter(key => key >= gte && key < lt).sort()
  }
}
