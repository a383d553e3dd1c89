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
const MAX_PEERS = 200
const MAX_ADDRS = 8
const SAVE_DELAY_MS = 5_000

export interface RememberedPeer {
  id: string
  /** Without `/p2p/…`; one that was dialled with success is first. */
  addrs: string[]
  lastSeenMs: number
}

export class PeerBook {
  readonly #path: string
  readonly #log: Logger
  readonly #clock: Clock
  /** Oldest first: a peer moves to the end when it is seen. */
  readonly #peers = new RecentMap<string, RememberedPeer>(MAX_PEERS)
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
    for (const peer of peers.sort((a, b) => a.lastSeenMs - b.lastSeenMs).slice(-MAX_PEERS))
      this.#peers.set(peer.id, peer)
  }

  /** A peer is connected; `addrs` are where others can reach it. They replace what was known. */
  saw(id: string, addrs: readonly string[]): void {
    const plain = plainAddrs(addrs).slice(0, MAX_ADDRS)
    if (plain.length === 0) return
    this.#peers.set(id, { id, addrs: plain, lastSeenMs: this.#clock.wallMs() })
    this.#changed = true
    this.#timer ??= setTimeout(() => void this.flush(), SAVE_DELAY_MS).unref()
  }

  /** Where it was seen; undefined for one that is not remembered. */
  find(id: string): Readonly<RememberedPeer> | undefined {
    return this.#peers.get(id)
  }

  /** Most recently seen first. */
  recent(): RememberedPeer[] {
    return [...this.#peers.values()].reverse()
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
      await writeFile(temporary, JSON.stringify({ version: VERSION, peers: [...this.#peers.values()] }), {
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
  const { id, addrs, lastSeenMs } = peer as { id: unknown; addrs: unknown; lastSeenMs: unknown }
  if (typeof id !== 'string' || !Array.isArray(addrs) || typeof lastSeenMs !== 'number') return undefined
  try {
    peerIdFromString(id)
  } catch {
    return undefined
  }
  const plain = plainAddrs(addrs.filter(addr => typeof addr === 'string')).slice(0, MAX_ADDRS)
  return plain.length === 0 ? undefined : { id, addrs: plain, lastSeenMs }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}
