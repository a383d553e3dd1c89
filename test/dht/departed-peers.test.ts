import { generateKeyPair } from '@libp2p/crypto/keys'
import type { PeerId } from '@libp2p/interface'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { expect, it } from 'vitest'
import { DepartedPeers } from '../../src/dht/departed-peers.ts'

/** Some peers of a table, whose pings and pauses end when the test says so. */
async function departed(count: number) {
  const peers = await Promise.all(
    Array.from({ length: count }, async () => peerIdFromPrivateKey(await generateKeyPair('Ed25519')))
  )
  const table = new Set(peers.map(String))
  const connected = new Set<string>()
  const pings: Array<{ id: string; end: (answers: boolean) => void }> = []
  const pauses: Array<() => void> = []
  const kept = new DepartedPeers({
    table: {
      find: async peer => (table.has(peer.toString()) ? peer : undefined),
      remove: async peer => void table.delete(peer.toString())
    },
    contacts: { ping: peer => new Promise(end => pings.push({ id: peer.toString(), end })) },
    isConnected: peer => connected.has(peer.toString()),
    wait: (_ms, signal) =>
      new Promise((resolve, reject) => {
        pauses.push(resolve)
        signal.addEventListener('abort', reject)
      })
  })
  const turn = async (action: () => void = () => {}) => {
    action()
    await new Promise(resolve => setImmediate(resolve))
  }
  const [first, second] = peers as [PeerId, PeerId]
  return { first, second, table, connected, pings, pauses, kept, turn }
}

it('who does not answer leaves the table, one after the other', async () => {
  const { first, second, table, pings, pauses, kept, turn } = await departed(2)
  kept.left(first)
  kept.left(second)
  await turn()
  expect(pauses).toHaveLength(1)
  await turn(pauses[0])
  expect(pings.map(({ id }) => id)).toEqual([first.toString()])
  await turn(() => pings[0]?.end(false))
  expect([...table]).toEqual([second.toString()])
  expect(pauses).toHaveLength(2)
  await turn(pauses[1])
  await turn(() => pings[1]?.end(true))
  // it answered
  expect([...table]).toEqual([second.toString()])
})

it('who is back or in no table is not asked', async () => {
  const { first, second, table, connected, pings, pauses, kept, turn } = await departed(2)
  table.delete(second.toString())
  kept.left(first)
  kept.left(second)
  await turn()
  connected.add(first.toString())
  await turn(pauses[0])
  expect(pauses).toHaveLength(1)
  expect(pings).toEqual([])
  expect([...table]).toEqual([first.toString()])
})

it('who leaves later is asked too, and the stop ends a pause', async () => {
  const { first, second, table, pings, pauses, kept, turn } = await departed(2)
  kept.left(first)
  await turn()
  await turn(pauses[0])
  await turn(() => pings[0]?.end(false))
  await turn()
  kept.left(second)
  await turn()
  expect(pauses).toHaveLength(2)
  await kept.stop()
  expect(pings).toHaveLength(1)
  expect([...table]).toEqual([second.toString()])
  kept.left(second)
  await turn()
  expect(pauses).toHaveLength(2)
})
