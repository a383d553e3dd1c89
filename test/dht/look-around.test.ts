import { generateKeyPair } from '@libp2p/crypto/keys'
import type { PeerId } from '@libp2p/interface'
import type { KadDHT, QueryEvent } from '@libp2p/kad-dht'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { beforeEach, expect, it } from 'vitest'
import { nearest } from '../../src/dht/distance.ts'
import { lookAround } from '../../src/dht/look-around.ts'

const someone = async () => peerIdFromPrivateKey(await generateKeyPair('Ed25519'))

let self: PeerId
/** The nearest first. */
let others: PeerId[]

beforeEach(async () => {
  self = await someone()
  const crowd = await Promise.all(Array.from({ length: 20 }, someone))
  others = nearest(self.toMultihash().bytes, crowd)
})

/** A network of nodes, each of which names some; who was asked, in this order. */
function network(inTable: readonly PeerId[], named: (asked: PeerId) => readonly PeerId[] | Error) {
  const asked: PeerId[] = []
  const dht = {
    routingTable: { closestPeers: () => inTable },
    network: {
      async *sendRequest(to: PeerId) {
        asked.push(to)
        await Promise.resolve()
        const answer = named(to)
        if (answer instanceof Error) yield { name: 'QUERY_ERROR', from: to, error: answer }
        else yield { name: 'PEER_RESPONSE', from: to, closer: answer.map(id => ({ id, multiaddrs: [] })) }
      }
    }
  }
  return { dht: dht as unknown as KadDHT, asked }
}

const look = async (dht: KadDHT, signal = new AbortController().signal) => {
  const events: QueryEvent[] = []
  await lookAround(dht, { self, signal, onEvent: event => events.push(event) })
  return events
}

it('asks the nearest until four in a row named nobody new', async () => {
  const { dht, asked } = network(others, () => [...others, self])
  await look(dht)
  // two more were under way
  expect(asked).toEqual(others.slice(0, 6))
})

it('goes on while there is news, to whoever is named', async () => {
  const [first] = others
  const { dht, asked } = network(first === undefined ? [] : [first], node => {
    const at = others.indexOf(node)
    return others.slice(at, at + 3)
  })
  await look(dht)
  expect(new Set(asked)).toEqual(new Set(others))
})

it('takes what failed for no answer, and says so', async () => {
  const { dht, asked } = network(others.slice(0, 8), () => new Error('nobody there'))
  const events = await look(dht)
  expect(asked).toEqual(others.slice(0, 8))
  expect(events.map(({ name }) => name)).toEqual(Array.from({ length: 8 }, () => 'QUERY_ERROR'))
})

it('ends with its signal', async () => {
  const stop = new AbortController()
  const { dht, asked } = network(others, () => {
    stop.abort()
    return others
  })
  await look(dht, stop.signal)
  expect(asked).toHaveLength(3)
})
