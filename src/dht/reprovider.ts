/**
 * The one re-announcer: tells the DHT what this node holds, at once when it is added and again before the records
 * expire, across restarts. Announcements of a node that knows nobody wait until it does.
 */
import { createHash } from 'node:crypto'
import { CID } from 'multiformats/cid'
import { linkSignals, withLinked } from '../base/abort-signals.ts'
import { type Clock, systemClock } from '../base/clock.ts'
import { ElapsedClock } from '../base/elapsed-clock.ts'
import { abortError } from '../base/errors.ts'
import { type Logger, silentLogger } from '../base/log.ts'
import { type Random, seededRandom } from '../base/random.ts'
import { ReprovideSchedule } from './reprovide-schedule.ts'

/** Announcements at once; each asks about twenty nodes. */
const CONCURRENCY = 4
/**
 * Addresses change while a node runs (another network, a new lease), and who holds its records, and the clock: looked at
 * so often.
 */
const CHECK_MS = 15_000
/**
 * A record whose holders go is announced before its turn, but no sooner than so long after the last time, and so many in
 * a look: the thousand roots of one node are then not announced more often than one a second. One that the network has
 * outgrown is, at the next look: that happens once for each doubling.
 */
const EARLY_GAP_MS = 120_000
const EARLY_A_CHECK = 15
/**
 * Other addresses have everything announced again, so often within so long at most: those of a tunnel that is set up anew
 * each minute come and go, and a thousand roots would be announced without end.
 */
const MAX_MOVES = 4
const MOVES_MS = 600_000
const LONGEST_TIMER_MS = 3_600_000

/** What survives a restart. Keys are CIDs as text. */
export interface ReprovideStore {
  /** When each was announced last, wall-clock ms; 0 for not yet. */
  load(): Promise<Map<string, number>>
  save(cid: string, lastProvidedWallMs: number): Promise<void>
  remove(cid: string): Promise<void>
  /** A digest of who and where this node was at the last announcement. */
  loadIdentity(): Promise<string | undefined>
  saveIdentity(digest: string): Promise<void>
}

/** What it needs of the DHT; ContentRouting is one. */
export interface Announcer {
  hold(cid: CID): Promise<void>
  provide(cid: CID, options: { signal: AbortSignal }): Promise<{ nodes: number }>
  withdraw(cid: CID): Promise<void>
  /** Too few of the nodes that took the record are left. */
  isThin(cid: CID): boolean
  /** The network has grown so much since that lookups ask others. */
  isOutgrown(cid: CID): boolean
}

/** Calls `run` once after `ms`; the returned function takes it back. */
export type StartTimer = (run: () => void, ms: number) => () => void

export interface ReproviderInit {
  routing: Announcer
  store: ReprovideStore
  peerId: string
  /** The addresses that records carry; they are read again each minute. */
  addrs: () => readonly string[]
  onAnnounced?: (cid: string, nodes: number) => void
  log?: Logger
  clock?: Clock
  random?: Random
  startTimer?: StartTimer
}

const startSystemTimer: StartTimer = (run, ms) => {
  const timer = setTimeout(run, ms).unref()
  return () => clearTimeout(timer)
}

export class Reprovider {
  readonly #routing: Announcer
  readonly #store: ReprovideStore
  readonly #identity: () => string
  readonly #onAnnounced: (cid: string, nodes: number) => void
  readonly #log: Logger
  readonly #clock: Clock
  /** What is due when, within this process; what is written to the store is of the wall clock. */
  readonly #elapsed: ElapsedClock
  readonly #startTimer: StartTimer
  readonly #schedule: ReprovideSchedule
  readonly #stopped = new AbortController()
  /** Ends one announcement when its CID is removed. */
  readonly #running = new Map<string, { abort: AbortController; done: Promise<void> }>()
  /** How many nodes took the record, for what this process announced. */
  readonly #nodes = new Map<string, number>()
  /** When this process announced it last, by `#elapsed`; in the order of these times. */
  readonly #announcedAt = new Map<string, number>()
  readonly #waiting = new Map<string, Set<(nodes: number) => void>>()
  /** Left by an earlier process and not yet resumed: when each was announced last. */
  readonly #dormant = new Map<string, number>()
  /** What `add` and `resume` were told to keep and `remove` not to: they overlap. */
  readonly #kept = new Set<string>()
  #lastIdentity = ''
  /** When it changed, by `#elapsed`: the last few. */
  #movesMs: number[] = []
  /** The last of them, until the store tells so too. */
  #unsavedSinceMs: number | undefined
  #started = false
  #cancelTimer = () => {}
  #cancelCheck = () => {}
  #checking: Promise<void> = Promise.resolve()

  constructor(init: ReproviderInit) {
    this.#routing = init.routing
    this.#store = init.store
    this.#identity = () => digest([init.peerId, ...[...init.addrs()].sort()])
    this.#onAnnounced = init.onAnnounced ?? (() => {})
    this.#log = init.log ?? silentLogger
    this.#clock = init.clock ?? systemClock
    this.#elapsed = new ElapsedClock(this.#clock)
    this.#startTimer = init.startTimer ?? startSystemTimer
    this.#schedule = new ReprovideSchedule(init.random ?? seededRandom(Math.floor(Math.random() * 2 ** 32)))
  }

  /**
   * Takes up what an earlier process left: fresh records wait for their turn unless the node's addresses changed.
   * @param options.dormant leave each record aside until `resume` says that its content is still held
   */
  async start({ dormant = false }: { dormant?: boolean } = {}): Promise<void> {
    const announced = await this.#store.load()
    this.#lastIdentity = this.#identity()
    if ((await this.#store.loadIdentity()) !== this.#lastIdentity) {
      // Marked one by one before the digest is, so that a crash in between forgets nothing.
      for (const cid of announced.keys()) {
        await this.#store.save(cid, 0)
        announced.set(cid, 0)
      }
      await this.#store.saveIdentity(this.#lastIdentity)
    }
    for (const text of announced.keys()) {
      const cid = parse(text)
      if (cid === undefined) announced.delete(text)
      else if (dormant) this.#dormant.set(text, announced.get(text) ?? 0)
      else await this.#routing.hold(cid)
    }
    if (!dormant) this.#restore(announced)
    this.#started = true
    this.#watch()
    this.#pump()
  }

  /** The content of a dormant record is held: its schedule goes on. One that is not known is announced now. */
  async resume(cid: CID): Promise<void> {
    const text = cid.toString()
    if (this.#schedule.has(text)) return
    if (!this.#dormant.has(text)) return await this.add(cid)
    this.#kept.add(text)
    await this.#routing.hold(cid)
    if (!this.#kept.has(text)) return await this.#routing.withdraw(cid)
    // read only now: the addresses may have changed meanwhile
    const lastMs = this.#dormant.get(text)
    if (lastMs === undefined) return
    this.#dormant.delete(text)
    this.#restore(new Map([[text, lastMs]]))
    this.#pump()
  }

  /** Announces it now and keeps it announced. Who knows this node finds it when this resolves. */
  async add(cid: CID): Promise<void> {
    const text = cid.toString()
    this.#dormant.delete(text)
    this.#kept.add(text)
    await this.#routing.hold(cid)
    await this.#store.save(text, 0)
    if (!this.#kept.has(text)) return await this.remove(cid)
    this.#schedule.now(text, this.#elapsed.nowMs())
    this.#pump()
  }

  /** Whether `add` or `resume` was told to keep it announced, and `remove` not to since. */
  keeps(cid: CID): boolean {
    return this.#kept.has(cid.toString())
  }

  /** No more announcements; this node no longer names itself. */
  async remove(cid: CID): Promise<void> {
    const text = cid.toString()
    this.#dormant.delete(text)
    this.#kept.delete(text)
    this.#schedule.remove(text)
    this.#nodes.delete(text)
    this.#announcedAt.delete(text)
    const running = this.#running.get(text)
    running?.abort.abort()
    await running?.done
    // it may be added again meanwhile
    if (!this.#kept.has(text)) await this.#routing.withdraw(cid)
    if (this.#kept.has(text)) await this.#routing.hold(cid)
    else await this.#store.remove(text)
  }

  /**
   * Resolves with the number of nodes that hold the record, once this process has announced it; announces it now when
   * that was left to a later turn. Pends while no peer is known.
   * @throws ERR_ABORTED
   */
  announced(cid: CID, options: { signal?: AbortSignal } = {}): Promise<number> {
    const text = cid.toString()
    const nodes = this.#nodes.get(text)
    if (nodes !== undefined) return Promise.resolve(nodes)
    const { signal, clear } = linkSignals(this.#stopped.signal, options.signal)
    return new Promise((resolve, reject) => {
      const waiting = this.#waiting.get(text) ?? new Set()
      this.#waiting.set(text, waiting)
      const end = () => {
        clear()
        signal.removeEventListener('abort', onAbort)
        waiting.delete(onNodes)
        if (waiting.size === 0 && this.#waiting.get(text) === waiting) this.#waiting.delete(text)
      }
      const onNodes = (count: number) => {
        end()
        resolve(count)
      }
      const onAbort = () => {
        end()
        reject(abortError(signal))
      }
      waiting.add(onNodes)
      signal.addEventListener('abort', onAbort, { once: true })
      if (signal.aborted) onAbort()
      else if (this.#schedule.has(text)) {
        this.#schedule.now(text, this.#elapsed.nowMs())
        this.#pump()
      }
    })
  }

  /** Records kept announced. */
  get size(): number {
    return this.#schedule.size
  }

  /** How long until the next announcement, ms, or null when none is planned. */
  nextInMs(): number | null {
    const next = this.#schedule.nextMs()
    return next === null ? null : Math.max(0, next - this.#elapsed.nowMs())
  }

  /** Resolves when every announcement has ended. What was not finished is due at the next start. */
  async stop(): Promise<void> {
    this.#started = false
    this.#stopped.abort()
    this.#cancelTimer()
    this.#cancelCheck()
    await Promise.all([this.#checking, ...[...this.#running.values()].map(one => one.done)])
  }

  #pump(): void {
    if (!this.#started) return
    while (this.#running.size < CONCURRENCY) {
      const text = this.#schedule.take(this.#elapsed.nowMs())
      if (text === undefined) break
      const abort = new AbortController()
      const signals = [abort.signal, this.#stopped.signal]
      const done = withLinked(signals, signal => this.#announce(text, signal)).finally(() => {
        if (this.#running.get(text) === running) this.#running.delete(text)
        this.#pump()
      })
      const running = { abort, done }
      this.#running.set(text, running)
    }
    this.#cancelTimer()
    const waitMs = this.nextInMs()
    if (waitMs === null || this.#running.size >= CONCURRENCY) return
    this.#cancelTimer = this.#startTimer(() => this.#pump(), Math.min(waitMs, LONGEST_TIMER_MS))
  }

  async #announce(text: string, signal: AbortSignal): Promise<void> {
    const cid = parse(text)
    if (cid === undefined) return this.#schedule.remove(text)
    try {
      const { nodes } = await this.#routing.provide(cid, { signal })
      if (signal.aborted) return
      const now = this.#elapsed.nowMs()
      if (nodes === 0) return this.#schedule.failed(text, now)
      const isEnough = this.#schedule.succeeded(text, now)
      await this.#store.save(text, isEnough ? this.#clock.wallMs() : 0)
      // removed meanwhile
      if (signal.aborted) return
      this.#nodes.set(text, nodes)
      this.#announcedAt.delete(text)
      if (isEnough) this.#announcedAt.set(text, now)
      for (const resolve of [...(this.#waiting.get(text) ?? [])]) resolve(nodes)
      this.#onAnnounced(text, nodes)
    } catch (err) {
      if (signal.aborted) return
      this.#log.warn(`announcing ${text} failed, it will be tried again`, err)
      this.#schedule.failed(text, this.#elapsed.nowMs())
    }
  }

  #watch(): void {
    this.#cancelCheck = this.#startTimer(() => {
      this.#checking = this.#check()
        .catch(err => this.#log.warn('the schedule of announcements could not be written', err))
        .finally(() => {
          if (this.#started) this.#watch()
        })
    }, CHECK_MS)
  }

  async #check(): Promise<void> {
    this.#announceThin()
    // the clock may have leapt, while timers count what passed
    this.#pump()
    await this.#checkAddresses()
  }

  /** Those announced longest ago first; those that are due and not begun count, so that few are before what is new. */
  #announceThin(): void {
    const now = this.#elapsed.nowMs()
    let count = 0
    for (const [text, lastMs] of this.#announcedAt) {
      if (count === EARLY_A_CHECK) break
      const cid = parse(text)
      if (cid === undefined) continue
      const isThin = now - lastMs >= EARLY_GAP_MS && this.#routing.isThin(cid)
      if ((isThin || this.#routing.isOutgrown(cid)) && this.#schedule.early(text, now)) count += 1
    }
    if (count > 0) this.#log.debug(`${count} records lie with too few of the nodes that are asked: announced again`)
  }

  #restore(announced: ReadonlyMap<string, number>): void {
    const times = [...announced].map(([text, ms]) => [text, ms === 0 ? 0 : this.#elapsed.fromWallMs(ms)] as const)
    this.#schedule.restore(new Map(times), this.#elapsed.nowMs())
  }

  async #checkAddresses(): Promise<void> {
    const identity = this.#identity()
    const now = this.#elapsed.nowMs()
    this.#movesMs = this.#movesMs.filter(ms => now - ms < MOVES_MS)
    if (identity !== this.#lastIdentity && this.#movesMs.length < MAX_MOVES) {
      this.#lastIdentity = identity
      this.#movesMs.push(now)
      this.#unsavedSinceMs = now
      this.#log.info('the addresses of this node changed: everything is announced again')
      this.#schedule.allNow(now)
      for (const text of this.#dormant.keys()) this.#dormant.set(text, 0)
      this.#pump()
    }
    const sinceMs = this.#unsavedSinceMs
    if (sinceMs === undefined) return
    // As at the start: the digest last. What fails is tried at the next look.
    for (const text of [...this.#schedule.keys(), ...this.#dormant.keys()]) {
      const isKnown = this.#schedule.has(text) || this.#dormant.has(text)
      if (isKnown && (this.#announcedAt.get(text) ?? -1) < sinceMs) await this.#store.save(text, 0)
    }
    await this.#store.saveIdentity(this.#lastIdentity)
    this.#unsavedSinceMs = undefined
  }
}

function parse(text: string): CID | undefined {
  try {
    return CID.parse(text)
  } catch {
    return undefined
  }
}

function digest(parts: readonly string[]): string {
  return createHash('sha256').update(parts.join('\n')).digest('hex').slice(0, 32)
}
