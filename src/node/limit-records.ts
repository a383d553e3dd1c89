/** The limits of single roots on disk, in the content store's key-value records: `limits/<cid>`, JSON. */
import type { KeyValue } from '../content/store/key-value.ts'
import type { Limits } from './api.ts'

const PREFIX = 'limits/'

export class LimitRecords {
  readonly #kv: KeyValue

  constructor(kv: KeyValue) {
    this.#kv = kv
  }

  async load(): Promise<Map<string, Limits>> {
    const all = new Map<string, Limits>()
    for await (const { key, value } of this.#kv.entries(PREFIX)) {
      const limits = decode(value)
      if (limits !== undefined) all.set(key.slice(PREFIX.length), limits)
    }
    return all
  }

  async save(cid: string, limits: Limits): Promise<void> {
    await this.#kv.put(PREFIX + cid, Buffer.from(JSON.stringify(limits)))
  }

  async remove(cid: string): Promise<void> {
    await this.#kv.delete(PREFIX + cid, { sync: false })
  }
}

function decode(value: Uint8Array): Limits | undefined {
  try {
    const { up, down } = JSON.parse(Buffer.from(value).toString()) as Partial<Record<keyof Limits, unknown>>
    return isLimit(up) && isLimit(down) ? { up, down } : undefined
  } catch {
    return undefined
  }
}

/** A whole number of bytes a second from 1, or null for none. */
export function isLimit(value: unknown): value is number | null {
  return value === null || (typeof value === 'number' && Number.isSafeInteger(value) && value >= 1)
}
