/**
 * When each root was used last and how many others had it then, kept in the store's key-value records: `use/<cid>`, JSON.
 * Losing an entry costs a better choice of what goes first, no more.
 */
import type { KeyValue } from '../../content/store/key-value.ts'

const PREFIX = 'use/'

export interface Use {
  /** Ms since 1970. */
  readonly usedAt: number
  /** Other nodes that gave some of it or were said to have it, at `seenAt` (ms since 1970). */
  readonly holders: number
  readonly seenAt: number
}

export class UseBook {
  readonly #kv: KeyValue
  readonly #uses = new Map<string, Use>()

  constructor(kv: KeyValue) {
    this.#kv = kv
  }

  /** Takes in what was recorded, and drops what is of roots that are no longer held. */
  async load(held: ReadonlySet<string>): Promise<void> {
    for await (const { key, value } of this.#kv.entries(PREFIX)) {
      const cid = key.slice(PREFIX.length)
      const use = decode(value)
      if (use !== undefined && held.has(cid)) this.#uses.set(cid, use)
      else await this.#kv.delete(key, { sync: false })
    }
  }

  of(cid: string): Use | undefined {
    return this.#uses.get(cid)
  }

  async note(cid: string, change: Partial<Use>): Promise<void> {
    const use = { ...(this.#uses.get(cid) ?? { usedAt: 0, holders: 0, seenAt: 0 }), ...change }
    this.#uses.set(cid, use)
    await this.#kv.put(PREFIX + cid, Buffer.from(JSON.stringify(use)), { sync: false })
  }

  async forget(cid: string): Promise<void> {
    if (this.#uses.delete(cid)) await this.#kv.delete(PREFIX + cid, { sync: false })
  }
}

function decode(value: Uint8Array): Use | undefined {
  try {
    const { usedAt, holders, seenAt } = JSON.parse(Buffer.from(value).toString()) as Partial<Record<keyof Use, unknown>>
    return isCount(usedAt) && isCount(holders) && isCount(seenAt) ? { usedAt, holders, seenAt } : undefined
  } catch {
    return undefined
  }
}

const isCount = (value: unknown): value is number =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
