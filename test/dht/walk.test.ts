import { generateKeyPair } from '@libp2p/crypto/keys'
import type { PeerId } from '@libp2p/interface'
import type { KadDHT, QueryEvent } from '@libp2p/kad-dht'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { beforeEach, expect, it, vi } from 'vitest'
import { nearest } from '../../src/dht/distance.ts'
import { type WalkInit, walk } from '../../src/dht/walk.ts'

const someone = async () => peerIdFromPrivateKey(await generateKeyPair('Ed25519'))
const key = new TextEncoder().encode('what is looked for')

let self: PeerId
/** The nearest first. */
let others: PeerId[]

beforeEach(async () => {
  self = await someone()
  others = []
  const crowd = await Promise.all(Array.from({ length: 60 }, someone))
  for (let left = crowd; left.length > 0; left = crowd.filter(peer => !others.includes(peer)))
    others.push(...nearest(key, left))
})

/** Nodes that answer when they are told to; without `hold` at once. */
class Network {
  readonly asked: PeerId[] = []
  readonly #waiting = new Map<PeerId, () => void>()
  readonly dht: KadDHT

  constructor(inTable: readonly PeerId[], named: (asked: PeerId) => readonly PeerId[] | Error, hold = false) {
    const { asked } = this
    const waiting = this.#waiting
    this.dht = {
      routingTable: { closestPeers: () => inTable },
      network: {
        async *sendRequest(to: PeerId, _: unknown, { signal }: { signal: AbortSignal }) {
          asked.push(to)
          if (hold) {
            await new Promise<void>(resolve => {
              waiting.set(to, resolve)
              signal.addEventListener('abort', () => resolve())
            })
          }
          const answer = named(to)
          if (answer instanceof Error) yield { name: 'QUERY_ERROR', from: to, error: answer }
          else yield { name: 'PEER_RESPONSE', from: to, closer: answer.map(id => ({ id, multiaddrs: [] })) }
        }
      }
    } as unknown as KadDHT
  }

  answer(peer: PeerId): void {
    this.#waiting.get(peer)?.()
    this.#waiting.delete(peer)
  }
}

function begin(network: Network, init: Partial<WalkInit> = {}) {
  const signal = new AbortController().signal
  return walk(network.dht, { key, question: 'GET_PROVIDERS', self, isConnected: () => true, signal, ...init })
}

async function all(events: AsyncIterable<QueryEvent>): Promise<QueryEvent[]> {
  const seen: QueryEvent[] = []
  for await (const event of events) seen.push(event)
  return seen
}

const settle = async () => {
  for (let i = 0; i < 20; i++) await Promise.resolve()
}

it('asks the twenty nearest of all that were heard of, and nobody else', async () => {
  const far = others.slice(40)
  const network = new Network(far, () => [...others, self])
  await all(begin(network))
  const nearestAsked = network.asked.filter(peer => others.indexOf(peer) < 20)
  expect(new Set(nearestAsked)).toEqual(new Set(others.slice(0, 20)))
  // those of the table that were asked before anybody nearer was known
  expect(network.asked.length).toBeLessThanOrEqual(30)
})

it('follows what farther nodes name: a newcomer whose one contact is the nearest finds all', async () => {
  const network = new Network(others.slice(0, 1), () => others.slice(0, 20))
  await all(begin(network))
  expect(new Set(network.asked)).toEqual(new Set(others.slice(0, 20)))
})

it('takes twenty of those whom one answer names: nobody is made to hear of thousands', async () => {
  const network = new Network(others.slice(59), () => [...others].reverse())
  await all(begin(network))
  expect(new Set(network.asked)).toEqual(new Set(others.slice(40)))
})

it('puts others in the place of those that fail', async () => {
  const dead = new Set(others.slice(0, 5))
  const network = new Network(others, peer => (dead.has(peer) ? new Error('nobody there') : []))
  const events = await all(begin(network))
  expect(new Set(network.asked)).toEqual(new Set(others.slice(0, 25)))
  expect(events.filter(({ name }) => name === 'QUERY_ERROR')).toHaveLength(5)
})

it('asks ten at once that are connected, and three that have to be dialled', async () => {
  const connected = new Set(others.filter((_, i) => i % 2 === 0))
  const network = new Network(others, () => [], true)
  const walking = begin(network, { isConnected: peer => connected.has(peer) })
  const first = walking.next()
  await settle()
  expect(network.asked.filter(peer => connected.has(peer))).toHaveLength(10)
  expect(network.asked.filter(peer => !connected.has(peer))).toEqual([others[1], others[3], others[5]])
  network.answer(others[1] ?? self)
  await first
  const second = walking.next()
  await settle()
  expect(network.asked.at(-1)).toBe(others[7])
  network.answer(others[3] ?? self)
  await second
  await walking.return(undefined)
})

it('goes on with two at a time once it is at leisure', async () => {
  let isLeisurely = false
  const network = new Network(others, () => [], true)
  const walking = begin(network, { isConnected: () => false, isLeisurely: () => isLeisurely })
  const asked: number[] = []
  for (let i = 0; i < 5; i++) {
    const next = walking.next()
    await settle()
    asked.push(network.asked.length)
    isLeisurely = true
    network.answer(network.asked[i] ?? self)
    await next
  }
  // three were under way; from then on one begins when another ends
  expect(asked).toEqual([3, 3, 4, 5, 6])
  await walking.return(undefined)
})

it('is not held up by who does not answer within a second', async () => {
  vi.useFakeTimers({ toFake: ['performance'] })
  try {
    const network = new Network(others, () => [], true)
    const walking = begin(network, { isConnected: () => false })
    const next = walking.next()
    await settle()
    expect(network.asked).toHaveLength(3)
    vi.advanceTimersByTime(1_000)
    network.answer(others[2] ?? self)
    await next
    const another = walking.next()
    await settle()
    expect(network.asked).toHaveLength(6)
    network.answer(others[3] ?? self)
    await another
    await walking.return(undefined)
  } finally {
    vi.useRealTimers()
  }
})

it('ends with its signal, though a question that is under way does not', async () => {
  const stop = new AbortController()
  const network = new Network(others, () => [], true)
  const deaf = network.dht as unknown as { network: { sendRequest(to: PeerId): AsyncIterable<QueryEvent> } }
  deaf.network.sendRequest = async function* (to) {
    network.asked.push(to)
    yield await new Promise<QueryEvent>(() => {})
  }
  const walking = all(begin(network, { signal: stop.signal }))
  await settle()
  stop.abort()
  expect(await walking).toEqual([])
  expect(network.asked).toHaveLength(10)
})

it('ends with its signal, and ends what is under way when nobody listens any more', async () => {
  const stop = new AbortController()
  const network = new Network(others, () => [], true)
  const walking = all(begin(network, { signal: stop.signal }))
  await settle()
  stop.abort()
  await walking
  expect(network.asked).toHaveLength(10)
  const another = begin(network)
  const first = another.next()
  await settle()
  network.answer(others[0] ?? self)
  await first
  await another.return(undefined)
  expect(network.asked).toHaveLength(20)
})
