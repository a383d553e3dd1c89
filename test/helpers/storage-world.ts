/** The storage limit over roots in memory, which a test holds, uses and lets go as it likes. */
import { CID } from 'multiformats/cid'
import { create } from 'multiformats/hashes/digest'
import { silentLogger } from '../../src/base/log.ts'
import type { NodeEvents } from '../../src/node/api.ts'
import { type HeldRoot, Storage, type StorageInit } from '../../src/node/storage/storage.ts'
import { UseBook } from '../../src/node/storage/use-book.ts'

const HOUR = 3_600_000
export const cidOf = (n: number) => CID.createV1(0x55, create(0x12, new Uint8Array(32).fill(n)))
export const name = (n: number) => cidOf(n).toString()

type FakeRoot = { -readonly [K in keyof HeldRoot]: HeldRoot[K] }

export class World {
  readonly roots = new Map<string, FakeRoot>()
  readonly evicted: Array<NodeEvents['root:evicted']> = []
  readonly asked: string[] = []
  readonly withdrawn: string[] = []
  holders = new Map<string, number>()
  activity = new Map<string, { sentBytes: number; givers: number }>()
  /** Awaited before a deletion takes effect. */
  gate: Promise<void> = Promise.resolve()
  failing = new Set<string>()
  now = 1000 * HOUR
  readonly stopping = new AbortController()
  readonly uses: UseBook
  readonly storage: Storage

  constructor(limit: number | null, changes: Partial<StorageInit> = {}) {
    this.uses = new UseBook({
      get: async () => undefined,
      put: async () => {},
      delete: async () => {},
      batch: async () => {},
      entries: async function* () {}
    })
    this.storage = new Storage({
      store: {
        roots: () => [...this.roots.values()],
        get: cid => this.roots.get(cid.toString()),
        evict: async cid => {
          await this.gate
          const root = this.roots.get(cid.toString())
          if (root?.isEvictable !== true || this.failing.has(cid.toString())) return undefined
          this.roots.delete(cid.toString())
          return { freed: root.heldBytes, left: [] }
        }
      },
      uses: this.uses,
      limit,
      wallMs: () => this.now,
      realPath: async path => path,
      signal: this.stopping.signal,
      log: silentLogger,
      activityOf: cid => this.activity.get(cid.toString()) ?? { sentBytes: 0, givers: 0 },
      findHolders: async cid => {
        this.asked.push(cid.toString())
        return this.holders.get(cid.toString()) ?? 0
      },
      withdraw: async root => {
        this.withdrawn.push(root.cid.toString())
        return () => this.withdrawn.splice(this.withdrawn.indexOf(root.cid.toString()), 1)
      },
      forget: cid => this.uses.forget(cid),
      onEvicted: event => this.evicted.push(event),
      ...changes
    })
  }

  hold(n: number, bytes: number, change: Partial<FakeRoot> = {}): FakeRoot {
    const root: FakeRoot = {
      ...{ cid: cidOf(n), name: `root ${n}`, path: `/out/${n}`, source: 'get', state: 'complete', addedAt: n },
      ...{ isEvictable: true, totalBytes: bytes, heldBytes: bytes, unrecordedCount: 0, isLoaded: true },
      load: async () => {},
      ...change
    }
    this.roots.set(name(n), root)
    return root
  }

  async reserve(n: number, bytes: number): Promise<string> {
    return await this.storage.reserve(name(n), { name: `root ${n}`, bytes }).then(
      () => 'fits',
      err => (err as { code: string }).code
    )
  }

  gone(): string[] {
    return this.evicted.map(({ name }) => name)
  }
}
