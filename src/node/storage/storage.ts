/**
 * What fetches may put on the disk: a limit that is kept before bytes are written, room that is made for it, and what is
 * tidied away (docs/storage.md).
 *
 * Invariant: the footprints of all roots, and what running fetches were promised beyond theirs, stay within the limit;
 * only a limit that was lowered is exceeded, and then nothing more is promised. A root that is held by a reader or a
 * fetch, or that overlaps another, is never deleted. The limit changes in a turn of its own, so that a reservation or a
 * round of deletions knows one limit from its beginning to its end.
 */
import { CID } from 'multiformats/cid'
import { ShoalError } from '../../base/errors.ts'
import type { Logger } from '../../base/log.ts'
import { formatBytes, HOUR_MS, MINUTE_MS } from '../../base/units.ts'
import { printable } from '../../content/safe-path.ts'
import { inBatches } from '../../content/store/limit.ts'
import type { Evicted } from '../../content/store/root-eviction.ts'
import type { StoredRoot } from '../../content/store/stored-root.ts'
import type { NodeEvents, StorageInfo } from '../api.ts'
import { type Candidate, chooseEvictions, evictionOrder } from './eviction-order.ts'
import { crowded, footprintOf } from './footprint.ts'
import type { UseBook } from './use-book.ts'

/** Who had it is believed so long without asking again; and so long at all, as a provider record is. */
const FRESH_MS = 10 * MINUTE_MS
const BELIEVED_MS = 48 * HOUR_MS
/** Roots that others are asked about together. */
const ASKED_AT_ONCE = 8
const RESOLVED_AT_ONCE = 64

/** What is asked of a root. */
export type HeldRoot = Pick<
  StoredRoot,
  | 'cid'
  | 'name'
  | 'path'
  | 'source'
  | 'state'
  | 'addedAt'
  | 'isEvictable'
  | 'totalBytes'
  | 'heldBytes'
  | 'unrecordedCount'
  | 'isLoaded'
  | 'load'
>

/** What is asked of the store. */
export interface HeldRoots {
  roots(): HeldRoot[]
  get(cid: CID): HeldRoot | undefined
  /** Undefined: it may not go, or cannot. */
  evict(cid: CID): Promise<Evicted | undefined>
}

export interface StorageInit {
  readonly store: HeldRoots
  readonly uses: UseBook
  /** Bytes; null: no limit. `setLimit` changes it. */
  readonly limit: number | null
  readonly wallMs: () => number
  /** The path without symbolic links. Never rejects. */
  readonly realPath: (path: string) => Promise<string>
  /** The node is stopping: nothing is deleted any more. */
  readonly signal: AbortSignal
  readonly log: Logger
  /** Bytes sent of the root since the start, and peers that gave some of it. */
  readonly activityOf: (cid: CID) => { readonly sentBytes: number; readonly givers: number }
  /** How many others are said to have it, now. Never rejects. */
  readonly findHolders: (cid: CID) => Promise<number>
  /** No longer served or announced; the returned function undoes that. */
  readonly withdraw: (root: HeldRoot) => Promise<() => void>
  /** The root is gone: what else is kept of it goes too. */
  readonly forget: (cid: string) => Promise<void>
  readonly onEvicted: (event: NodeEvents['root:evicted']) => void
}

export class Storage {
  readonly #init: StorageInit
  /** Whole sizes, of fetches that run. */
  readonly #promised = new Map<string, number>()
  readonly #holds = new Map<string, number>()
  readonly #evicting = new Map<string, Promise<unknown>>()
  readonly #sent = new Map<string, number>()
  /** When others were last asked who has it. */
  readonly #askedAt = new Map<string, number>()
  /** Real paths by recorded ones, of the roots there were when that was last looked at. */
  #realPaths: ReadonlyMap<string, string> = new Map()
  #limit: number | null
  #turn: Promise<unknown> = Promise.resolve()

  constructor(init: StorageInit) {
    this.#init = init
    this.#limit = init.limit
  }

  /** What it is now. `evictable`: of `used`, what may be deleted for room, whoever else has it. */
  info(): StorageInfo {
    let [used, reserved, evictable] = [0, 0, 0]
    const promised = new Map(this.#promised)
    for (const root of this.#init.store.roots()) {
      const cid = root.cid.toString()
      const bytes = footprintOf(root)
      used += bytes
      reserved += Math.max(0, (promised.get(cid) ?? bytes) - bytes)
      promised.delete(cid)
    }
    for (const root of this.#thatMayGo()) evictable += footprintOf(root)
    for (const bytes of promised.values()) reserved += bytes
    return { used, reserved, limit: this.#limit, evictable }
  }

  /** While the work runs, and from the moment on at which it begins, the root is not deleted for room. */
  async holding<T>(cid: string, work: () => Promise<T>): Promise<T> {
    const release = await this.hold(cid)
    try {
      return await work()
    } finally {
      release()
    }
  }

  /** Waits for a deletion of the root that is under way. */
  async hold(cid: string): Promise<() => void> {
    while (this.#evicting.has(cid)) await this.#evicting.get(cid)
    this.#holds.set(cid, (this.#holds.get(cid) ?? 0) + 1)
    return () => {
      const left = (this.#holds.get(cid) ?? 1) - 1
      if (left > 0) this.#holds.set(cid, left)
      else this.#holds.delete(cid)
      this.#noteUse(cid)
    }
  }

  /**
   * Deletes something of a root; whoever wants to use it waits.
   * @returns undefined where somebody does, and nothing was done
   */
  async whileUnused<T>(cid: string, work: () => Promise<T>): Promise<T | undefined> {
    if (this.#isBusy(cid) || this.#evicting.has(cid)) return undefined
    const done = work()
    const ended = done.catch(() => {})
    this.#evicting.set(cid, ended)
    try {
      return await done
    } finally {
      this.#evicting.delete(cid)
    }
  }

  /**
   * A fetch is about to write so much, all in all: room is made where that is possible, and kept until `release`.
   * @throws ERR_NO_SPACE; then nothing was deleted that would not have helped
   */
  async reserve(cid: string, { name, bytes }: { readonly name: string; readonly bytes: number }): Promise<void> {
    await this.#inTurn(async () => {
      if (this.#limit !== null) await this.#makeRoom(cid, { name, bytes, limit: this.#limit })
      // without a limit too: one that is set while the fetch runs has to reckon with all of it
      this.#promised.set(cid, bytes)
    })
  }

  /** The fetch has ended, one way or the other: what it wrote counts, and no more. */
  release(cid: string): void {
    this.#promised.delete(cid)
    const { givers } = this.#init.activityOf(CID.parse(cid))
    this.#noteUse(cid, givers)
  }

  /**
   * Deletes what may go while more is held than the limit allows.
   * @returns a sentence where that is not enough
   */
  async enforce(): Promise<string | undefined> {
    return await this.#inTurn(() => this.#shrink())
  }

  /**
   * After what was asked for before. What running fetches were promised they get, whatever the limit is now.
   * @param limit bytes from 1; null: none
   * @returns as `enforce`, which is done with it
   */
  async setLimit(limit: number | null): Promise<string | undefined> {
    return await this.#inTurn(() => {
      this.#limit = limit
      return this.#shrink()
    })
  }

  /** Notes what was served since the last call. */
  noteServed(): void {
    for (const root of this.#init.store.roots()) {
      if (!root.isEvictable) continue
      const cid = root.cid.toString()
      const { sentBytes } = this.#init.activityOf(root.cid)
      if (sentBytes !== (this.#sent.get(cid) ?? 0)) this.#noteUse(cid)
      this.#sent.set(cid, sentBytes)
    }
  }

  /** Waits for what is being deleted. */
  async stop(): Promise<void> {
    await this.#turn
  }

  /** @throws ERR_NO_SPACE */
  async #makeRoom(cid: string, wanted: { name: string; bytes: number; limit: number }): Promise<void> {
    const { name, bytes, limit } = wanted
    await this.#loadUnfinished()
    await this.#findRealPaths()
    const failed = new Set<string>([cid])
    for (;;) {
      const missing = this.#taken(cid) + bytes - limit
      if (missing <= 0) return
      const chosen = bytes > limit ? undefined : chooseEvictions(await this.#candidates(failed, missing), missing)
      if (chosen === undefined) throw this.#noRoom(name, bytes, limit)
      for (const { cid: one } of chosen) if (!(await this.#evict(one))) failed.add(one)
    }
  }

  async #shrink(): Promise<string | undefined> {
    const limit = this.#limit
    if (limit === null) return undefined
    await this.#loadUnfinished()
    await this.#findRealPaths()
    const failed = new Set<string>()
    while (!this.#init.signal.aborted) {
      const over = this.#taken() - limit
      if (over <= 0) return undefined
      const candidates = await this.#candidates(failed, over)
      const chosen = chooseEvictions(candidates, over) ?? evictionOrder(candidates)
      if (chosen.length === 0) return this.#exceeded(limit)
      for (const { cid } of chosen) if (!(await this.#evict(cid))) failed.add(cid)
    }
    return undefined
  }

  #exceeded(limit: number): string {
    const { used, reserved } = this.info()
    const [more, end] =
      reserved > 0
        ? [` and ${formatBytes(reserved)} more are promised to those that run`, 'no other fetch begins']
        : ['', 'nothing more is fetched']
    const held = `fetches hold ${formatBytes(used)}${more}, over the storage limit of ${formatBytes(limit)}`
    return `${held}, and none of it may be deleted: ${end}`
  }

  /** What counts, without what is held of one root or promised to it. */
  #taken(without?: string): number {
    const promised = new Map(this.#promised)
    if (without !== undefined) promised.delete(without)
    let sum = 0
    for (const root of this.#init.store.roots()) {
      const cid = root.cid.toString()
      if (cid === without) continue
      sum += Math.max(promised.get(cid) ?? 0, footprintOf(root))
      promised.delete(cid)
    }
    for (const bytes of promised.values()) sum += bytes
    return sum
  }

  #isBusy(cid: string): boolean {
    return this.#holds.has(cid) || this.#promised.has(cid)
  }

  /** The user let it go, nobody uses it, and its files are of no other root. */
  #thatMayGo(): HeldRoot[] {
    const roots = this.#init.store.roots()
    const real = (root: HeldRoot) => this.#realPaths.get(root.path) ?? root.path
    const shut = crowded(roots.map(real))
    return roots.filter(root => root.isEvictable && !this.#isBusy(root.cid.toString()) && !shut.has(real(root)))
  }

  /** One file may be reached by several paths. @param known what need not be looked at again */
  async #findRealPaths(known: ReadonlyMap<string, string> = new Map()): Promise<void> {
    const paths = [...new Set(this.#init.store.roots().map(({ path }) => path))]
    const found = new Map<string, string>()
    for (const batch of inBatches(paths, RESOLVED_AT_ONCE)) {
      const real = await Promise.all(batch.map(async path => known.get(path) ?? (await this.#init.realPath(path))))
      for (const [i, path] of batch.entries()) found.set(path, real[i] ?? path)
    }
    this.#realPaths = found
  }

  /**
   * Who has a root is asked only where it is not known, least recently used first, and only until enough may go: of
   * thousands most are never asked about.
   */
  async #candidates(except: ReadonlySet<string>, needed: number): Promise<Candidate[]> {
    this.noteServed()
    const roots = this.#thatMayGo().filter(root => !except.has(root.cid.toString()))
    const candidates: Candidate[] = []
    const unsure: HeldRoot[] = []
    for (const root of roots) {
      if (this.#isFresh(root.cid.toString())) candidates.push(this.#candidate(root))
      else unsure.push(root)
    }
    unsure.sort((a, b) => this.#usedAt(a) - this.#usedAt(b))
    for (const batch of inBatches(unsure, ASKED_AT_ONCE)) {
      if (chooseEvictions(candidates, needed) !== undefined) break
      await Promise.all(batch.map(root => this.#ask(root.cid)))
      candidates.push(...batch.map(root => this.#candidate(root)))
    }
    return candidates
  }

  #candidate(root: HeldRoot): Candidate {
    const cid = root.cid.toString()
    return { cid, bytes: footprintOf(root), holders: this.#holders(cid), usedAt: this.#usedAt(root) }
  }

  #usedAt(root: HeldRoot): number {
    return this.#init.uses.of(root.cid.toString())?.usedAt ?? root.addedAt
  }

  #isFresh(cid: string): boolean {
    const seenAt = Math.max(this.#init.uses.of(cid)?.seenAt ?? 0, this.#askedAt.get(cid) ?? 0)
    return this.#init.wallMs() - seenAt < FRESH_MS
  }

  async #ask(cid: CID): Promise<void> {
    const { uses, wallMs, findHolders } = this.#init
    const holders = await findHolders(cid)
    this.#askedAt.set(cid.toString(), wallMs())
    // that nobody answers says nothing against what was seen
    if (holders > 0) await uses.note(cid.toString(), { holders, seenAt: wallMs() })
  }

  #holders(cid: string): number {
    const known = this.#init.uses.of(cid)
    return known !== undefined && this.#init.wallMs() - known.seenAt < BELIEVED_MS ? known.holders : 0
  }

  /** @returns whether it is gone */
  async #evict(cid: string): Promise<boolean> {
    const { store, withdraw, forget, onEvicted, log, signal } = this.#init
    // what was added while others were looked for
    await this.#findRealPaths(this.#realPaths)
    const root = store.get(CID.parse(cid))
    // it was asked for, or pinned, while others were looked for
    if (signal.aborted || root === undefined || !this.#thatMayGo().includes(root)) return false
    const isGone = await this.whileUnused(cid, async () => {
      const undo = await withdraw(root)
      const evicted = await store.evict(root.cid).catch((err: unknown) => {
        log.warn('%s could not be deleted: %s', root.path, err instanceof Error ? err.message : err)
        return undefined
      })
      if (evicted === undefined) {
        if (store.get(root.cid) === root) undo()
        return false
      }
      for (const known of [this.#sent, this.#askedAt]) known.delete(cid)
      await forget(cid)
      onEvicted({ cid, name: root.name, path: root.path, bytes: evicted.freed, left: [...evicted.left] })
      return true
    })
    return isGone === true
  }

  /** Only then it is known how much of them is there. */
  async #loadUnfinished(): Promise<void> {
    for (const root of this.#init.store.roots()) {
      if (root.source === 'get' && root.state !== 'complete' && !root.isLoaded) await root.load().catch(() => {})
    }
  }

  #noteUse(cid: string, holders = 0): void {
    const now = this.#init.wallMs()
    if (this.#init.store.get(CID.parse(cid))?.source !== 'get') return
    const seen = holders > 0 ? { holders, seenAt: now } : {}
    this.#init.uses.note(cid, { usedAt: now, ...seen }).catch((err: unknown) => this.#init.log.warn(String(err)))
  }

  #noRoom(name: string, bytes: number, limit: number): ShoalError {
    const { used, reserved, evictable } = this.info()
    const what = `${printable(name)} needs ${formatBytes(bytes)}`
    const held = `${formatBytes(used)} are held${reserved > 0 ? ` and ${formatBytes(reserved)} promised to other fetches` : ''}`
    const kept =
      evictable > 0 ? `; of the ${formatBytes(evictable)} that may go, not enough is known to be held by others` : ''
    return new ShoalError(
      'ERR_NO_SPACE',
      bytes > limit
        ? `${what}, more than the storage limit of ${formatBytes(limit)}`
        : `${what}, and the storage limit is ${formatBytes(limit)}, of which ${held}${kept}`,
      {
        hint: 'raise --max-storage (shoal limit, while the node runs), let the node delete something with shoal unpin, or stop keeping it with shoal rm',
        details: { bytes, limit, used, reserved, evictable }
      }
    )
  }

  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#turn.catch(() => {}).then(work)
    this.#turn = turn.catch(() => {})
    return await turn
  }
}
