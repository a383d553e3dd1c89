/** The reprovide schedule on disk: when each root was last announced, in the content store's key-value records. */
import type { KeyValue } from '../content/store/key-value.ts'
import type { ReprovideStore } from '../dht/reprovider.ts'

const PREFIX = 'provided/'
const IDENTITY = 'provided-as'

export class ScheduleRecords implements ReprovideStore {
  readonly #kv: KeyValue

  constructor(kv: KeyValue) {
    this.#kv = kv
  }

  async load(): Promise<Map<string, number>> {
    const schedule = new Map<string, number>()
    for await (const { key, value } of this.#kv.entries(PREFIX)) {
      const lastMs = Number(Buffer.from(value).toString())
      schedule.set(key.slice(PREFIX.length), Number.isFinite(lastMs) ? lastMs : 0)
    }
    return schedule
  }

  async save(cid: string, lastProvidedWallMs: number): Promise<void> {
    // losing the last one costs an announcement too many, no more
    await this.#kv.put(PREFIX + cid, Buffer.from(String(lastProvidedWallMs)), { sync: false })
  }

  async remove(cid: string): Promise<void> {
    await this.#kv.delete(PREFIX + cid, { sync: false })
  }

  async loadIdentity(): Promise<string | undefined> {
    const value = await this.#kv.get(IDENTITY)
    return value === undefined ? undefined : Buffer.from(value).toString()
  }

  async saveIdentity(digest: string): Promise<void> {
    await this.#kv.put(IDENTITY, Buffer.from(digest), { sync: false })
  }
}
