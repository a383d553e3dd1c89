/**
 * An announcement begins with a walk to the nodes nearest to the CID. Who fetches has just made that walk, to ask them
 * who provides it; the nodes that answered are remembered for a while, and the announcement goes to them at once.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { PeerId } from '@libp2p/interface'
import type { QueryEvent } from '@libp2p/kad-dht'
import type { CID } from 'multiformats/cid'
import { RecentMap } from '../base/recent-map.ts'
import { nearest } from './distance.ts'
import { K, type KadDHT, routingTable } from './kad.ts'
import { type WalkInit, walk } from './walk.ts'

/** An announcement follows within seconds, when the first piece is there; much later, others may be nearer. */
const REMEMBER_MS = 60_000
const MAX_REMEMBERED = 64
/** An announcement that comes amid the walk waits so long for its end: who is silent keeps it for longer. */
const WAIT_MS = 3_000

type ClosestPeers = (key: Uint8Array, options: { signal: AbortSignal }) => AsyncGenerator<QueryEvent>

export interface AskedNodesInit {
  readonly dht: KadDHT
  readonly self: PeerId
  readonly isConnected: (peer: PeerId) => boolean
  readonly nowMs?: () => number
}

interface Asked {
  readonly peers: readonly PeerId[]
  readonly atMs: number
}

export class AskedNodes {
  readonly #dht: KadDHT
  readonly #nowMs: () => number
  readonly #walk: ClosestPeers
  readonly #asked = new RecentMap<string, Asked>(MAX_REMEMBERED)
  readonly #underWay = new Map<string, Promise<void>>()

  /** Announcements of `dht` go to those remembered from now on, once; without any, a walk of ours finds them. */
  constructor({ dht, self, isConnected, nowMs = () => performance.now() }: AskedNodesInit) {
    this.#dht = dht
    this.#nowMs = nowMs
    this.#walk = (key, { signal }) => walkNearest(dht, { key, question: 'FIND_NODE', self, isConnected, signal })
    const { contentRouting } = dht as unknown as { contentRouting: { peerRouting: { getClosestPeers: ClosestPeers } } }
    contentRouting.peerRouting = Object.create(contentRouting.peerRouting, {
      getClosestPeers: { value: this.#closest.bind(this) }
    })
  }

  /** A walk to `cid` begins; the function returned says that it has ended. */
  begin(cid: CID): () => void {
    const key = hex(cid.multihash.bytes)
    let resolve = () => {}
    const promise = new Promise<void>(ended => {
      resolve = ended
    })
    this.#underWay.set(key, promise)
    return () => {
      if (this.#underWay.get(key) === promise) this.#underWay.delete(key)
      resolve()
    }
  }

  /** A walk to `cid` came to its end; these answered. */
  remember(cid: CID, answered: Iterable<PeerId>): void {
    const key = hex(cid.multihash.bytes)
    this.#asked.set(key, { peers: nearest(cid.multihash.bytes, answered), atMs: this.#nowMs() })
  }

  async *#closest(key: Uint8Array, options: { signal: AbortSignal }): AsyncGenerator<QueryEvent> {
    const underWay = this.#underWay.get(hex(key))
    if (underWay !== undefined) {
      await Promise.race([underWay, delay(WAIT_MS, undefined, { signal: options.signal, ref: false })])
    }
    yield* this.#take(key) ?? this.#walk(key, options)
  }

  /** Undefined where so few answered, or so many came since, that a walk would end with others. */
  #take(key: Uint8Array): AsyncGenerator<QueryEvent> | undefined {
    const text = hex(key)
    const asked = this.#asked.get(text)
    this.#asked.delete(text)
    if (asked === undefined || this.#nowMs() - asked.atMs > REMEMBER_MS) return undefined
    const known = Math.min(K, routingTable(this.#dht).size)
    return asked.peers.length * 4 < known * 3 ? undefined : finalPeers(asked.peers)
  }
}

/** As kad-dht's: what the nodes answered, and at the end the nearest of those that did. */
async function* walkNearest(dht: KadDHT, init: WalkInit): AsyncGenerator<QueryEvent> {
  const answered: PeerId[] = []
  for await (const event of walk(dht, init)) {
    if (event.name === 'PEER_RESPONSE') answered.push(event.from)
    yield event
  }
  yield* finalPeers(nearest(init.key, answered))
}

async function* finalPeers(peers: readonly PeerId[]): AsyncGenerator<QueryEvent> {
  for (const id of peers) {
    const path = { index: -1, queued: 0, running: 0, total: 0 }
    yield { name: 'FINAL_PEER', type: 2, from: id, peer: { id, multiaddrs: [] }, path }
  }
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}
