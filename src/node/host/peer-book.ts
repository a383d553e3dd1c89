/**
 * Peers met before, in `<dataDir>/peers.json`, so that a node finds its network again without being told anyone. A
 * cache: a damaged file is told and forgotten.
 */
import { randomBytes } from 'node:crypto'
import { readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { peerIdFromString } from '@libp2p/peer-id'
import { type Clock, systemClock } from '../../base/clock.ts'
import { systemCode } from '../../base/errors.ts'
import type { Logger } from '../../base/log.ts'
import { RecentMap } from '../../base/recent-map.ts'
import { plainAddrs } from './addresses.ts'

export const PEERS_FILE = 'peers.json'
const VERSION = 1
/** Of those that were dialled with success, and of those that only came in: anyone can, under any number of names. */
const MAX_DIALLED = 150
const MAX_CAME_IN = 50
/** Of those that only came in, from one host. */
export const MAX_OF_HOST = 4
/** Of so many in the order of `recent` the last one only came in. */
const MIX = 4
const MAX_HOST_CHARS = 100
const MAX_ADDRS = 8
const SAVE_DELAY_MS = 5_000

export interface RememberedPeer {
  id: string
  /** Without `/p2p/…`; one that was dialled with success is first. */
  addrs: string[]
  lastSeenMs: number
  /** The host that it only came in from; absent for one that was dialled with success. */
  from?: string
}

export class PeerBook {
  readonly #path: string
  readonly #log: Logger
  readonly #clock: Clock
  /** Oldest first: a peer moves to the end when it is seen. None is in both. */
  readonly #dialled = new RecentMap<string, RememberedPeer>(MAX_DIALLED)
  readonly #cameIn = new RecentMap<string, RememberedPeer>(MAX_CAME_IN)
  #timer: NodeJS.Timeout | undefined
  #saving: Promise<void> = Promise.resolve()
  #changed = false

  constructor(init: { dataDir: string; log: Logger; clock?: Clock }) {
    this.#path = join(init.dataDir, PEERS_FILE)
    this.#log = init.log
    this.#clock = init.clock ?? systemClock
  }

  async load(): Promise<void> {
    let text: string
    try {
      text = await readFile(this.#path, 'utf8')
    } catch (err) {
      if (systemCode(err) !== 'ENOENT') this.#log.warn(`${this.#path} cannot be read; remembered peers are lost`, err)
      return
    }
    const peers = parsePeers(text)
    if (peers === undefined) {
      this.#log.warn(`${this.#path} is damaged; remembered peers are lost`)
      return
    }
    for (const peer of peers.sort((a, b) => a.lastSeenMs - b.lastSeenMs)) this.#remember(peer)
  }

  /**
   * A peer is connected; `addrs` are where others can reach it. They replace what was known.
   * @param from the host that it came in from; undefined when it was dialled
   */
  saw(id: string, addrs: readonly string[], from?: string): void {
    const plain = plainAddrs(addrs).slice(0, MAX_ADDRS)
    if (plain.length === 0) return
    const peer = { id, addrs: plain, lastSeenMs: this.#clock.wallMs() }
    this.#remember(from === undefined ? peer : { ...peer, from })
    this.#changed = true
    this.#timer ??= setTimeout(() => void this.flush(), SAVE_DELAY_MS).unref()
  }

  /** Where it was seen; undefined for one that is not remembered. */
  find(id: string): Readonly<RememberedPeer> | undefined {
    return this.#dialled.get(id) ?? this.#cameIn.get(id)
  }

  /** Most recently seen first; between every three that were dialled one that came in. */
  recent(): RememberedPeer[] {
    const dialled = [...this.#dialled.values()]
    const cameIn = [...this.#cameIn.values()]
    const mixed: RememberedPeer[] = []
    for (;;) {
      const [first, second] = mixed.length % MIX === MIX - 1 ? [cameIn, dialled] : [dialled, cameIn]
      const next = first.pop() ?? second.pop()
      if (next === undefined) return mixed
      mixed.push(next)
    }
  }

  /** Who was dialled once counts as such for good. */
  #remember(peer: RememberedPeer): void {
    const { id, addrs, lastSeenMs, from } = peer
    if (from === undefined || this.#dialled.has(id)) {
      this.#cameIn.delete(id)
      this.#dialled.set(id, { id, addrs, lastSeenMs })
      return
    }
    this.#cameIn.set(id, peer)
    const ofHost = [...this.#cameIn.values()].filter(other => other.from === from)
    const [oldest] = ofHost
    if (ofHost.length > MAX_OF_HOST && oldest !== undefined) this.#cameIn.delete(oldest.id)
  }

  /** Writes what is not yet on disk. Never throws: it is a cache. */
  flush(): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#saving = this.#saving.then(() => this.#save())
    return this.#saving
  }

  async #save(): Promise<void> {
    if (!this.#changed) return
    this.#changed = false
    const temporary = `${this.#path}.${randomBytes(4).toString('hex')}`
    try {
      await writeFile(temporary, JSON.stringify({ version: VERSION, peers: this.recent().reverse() }), {
        mode: 0o600
      })
      await rename(temporary, this.#path)
    } catch (err) {
      await rm(temporary, { force: true }).catch(() => {})
      this.#log.warn(`${this.#path} cannot be written`, err)
    }
  }
}

/** Undefined for what is no list of peers; those in it that are none are left out. */
export function parsePeers(text: string): RememberedPeer[] | undefined {
  try {
    const parsed: unknown = JSON.parse(text)
    if (!isRecord(parsed) || parsed['version'] !== VERSION || !Array.isArray(parsed['peers'])) return undefined
    return parsed['peers'].flatMap((peer: unknown) => parsePeer(peer) ?? [])
  } catch {
    return undefined
  }
}

function parsePeer(peer: unknown): RememberedPeer | undefined {
  if (!isRecord(peer)) return undefined
  const { id, addrs, lastSeenMs, from } = peer as { id: unknown; addrs: unknown; lastSeenMs: unknown; from?: unknown }
  if (typeof id !== 'string' || !Array.isArray(addrs) || typeof lastSeenMs !== 'number') return undefined
  try {
    peerIdFromString(id)
  } catch {
    return undefined
  }
  const plain = plainAddrs(addrs.filter(addr => typeof addr === 'string')).slice(0, MAX_ADDRS)
  if (plain.length === 0) return undefined
  return { id, addrs: plain, lastSeenMs, ...(typeof from === 'string' && { from: from.slice(0, MAX_HOST_CHARS) }) }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}
