/**
 * Kademlia's iterative lookup: asks the nodes nearest to a key that were heard of, until the k nearest have answered or
 * failed. Not kad-dht's own walk, which follows an answer only to nodes nearer than who gave it, so that a newcomer
 * whose one contact is itself the nearest asks nobody else; and which asks ten at once, connected or not: where all begin
 * at the same moment, as in a flash crowd, everybody dials everybody, twice, before the first byte is fetched.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { PeerId } from '@libp2p/interface'
import type { QueryEvent } from '@libp2p/kad-dht'
import { combineSignals } from '../base/abort-signals.ts'
import { kadId, NearestPeers } from './distance.ts'
import { K, type KadDHT, type Question, requestOf, routingTable } from './kad.ts'

/** Asked at once over connections that are there; and others, which have to be dialled: Kademlia's alpha. */
const CONNECTED_AT_ONCE = 10
const DIALLED_AT_ONCE = 3
/** Of either, at leisure. */
const AT_LEISURE = 2
/** Who has not answered for so long holds up nobody. */
const SLOW_MS = 1_000

export interface WalkInit {
  readonly key: Uint8Array
  readonly question: Question
  readonly self: PeerId
  readonly isConnected: (peer: PeerId) => boolean
  readonly signal: AbortSignal
  /** The walk goes on with two nodes at a time: what was looked for is found, and there is more to do. Default: never. */
  readonly isLeisurely?: () => boolean
}

interface Running {
  readonly isDialled: boolean
  readonly startMs: number
  readonly events: Promise<{ readonly id: string; readonly events: readonly QueryEvent[] }>
}

/** Yields what each node answered; failures are events too. Ends early, without an error, when the signal fires. */
export async function* walk(dht: KadDHT, init: WalkInit): AsyncGenerator<QueryEvent> {
  const { key, self, isConnected } = init
  const stop = new AbortController()
  const signal = combineSignals(init.signal, stop.signal)
  const request = requestOf(dht)
  const near = new NearestPeers(key)
  near.add(self)
  near.remove(self.toString())
  for (const peer of routingTable(dht).closestPeers(kadId(key), { count: K })) near.add(peer)
  const aborted = new Promise<undefined>(resolve => {
    signal.addEventListener('abort', () => resolve(undefined), { once: true })
  })
  const asked = new Set<string>()
  const running = new Map<string, Running>()

  const begin = (peer: PeerId, id: string, isDialled: boolean): void => {
    asked.add(id)
    const path = { index: -1, queued: 0, running: running.size + 1, total: asked.size }
    const events = collect(request(peer, { type: init.question, key }, { signal, path }))
    running.set(id, { isDialled, startMs: performance.now(), events: events.then(all => ({ id, events: all })) })
  }
  const beginMore = (): void => {
    if (signal.aborted) return
    const isLeisurely = init.isLeisurely?.() === true
    const now = performance.now()
    const hasRoom = (isDialled: boolean): boolean => {
      const quick = [...running.values()].filter(({ startMs }) => now - startMs < SLOW_MS)
      if (isLeisurely) return quick.length < AT_LEISURE
      const alike = quick.filter(one => one.isDialled === isDialled).length
      return alike < (isDialled ? DIALLED_AT_ONCE : CONNECTED_AT_ONCE)
    }
    for (const { peer, id } of near.nearest()) {
      const isDialled = !isConnected(peer)
      if (!asked.has(id) && hasRoom(isDialled)) begin(peer, id, isDialled)
    }
  }

  try {
    for (beginMore(); running.size > 0 && !signal.aborted; beginMore()) {
      const slow = delay(SLOW_MS, undefined, { ref: false })
      const ended = await Promise.race([aborted, slow, ...[...running.values()].map(({ events }) => events)])
      if (ended === undefined) continue
      running.delete(ended.id)
      for (const event of ended.events) {
        if (event.name === 'PEER_RESPONSE') for (const { id } of event.closer.slice(0, K)) near.add(id)
        if (event.name === 'QUERY_ERROR') near.remove(ended.id)
        yield event
      }
    }
  } finally {
    // a dial that others wait for too does not end with this signal: nobody waits for it here
    stop.abort()
  }
}

/** Never rejects: what kad-dht throws, on a node that is stopped, is no answer. */
async function collect(events: AsyncIterable<QueryEvent>): Promise<QueryEvent[]> {
  const all: QueryEvent[] = []
  try {
    for await (const event of events) all.push(event)
  } catch {
    // the walk goes on with others, or has ended
  }
  return all
}
