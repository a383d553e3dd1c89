import { generateKeyPair } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { expect, it } from 'vitest'
import { DoubtfulPeers } from '../../src/dht/doubtful-peers.ts'

/** One peer, whose pings and pauses end when the test says so. */
async function examined() {
  const peer = peerIdFromPrivateKey(await generateKeyPair('Ed25519'))
  const doubted = new Set<string>()
  const log: string[] = []
  const pings: Array<(answers: boolean) => void> = []
  const pauses: Array<() => void> = []
  let connected = true
  const doubtful = new DoubtfulPeers({
    table: {
      add: async () => void log.push('add'),
      remove: async () => void log.push('remove')
    },
    contacts: { doubted, ping: () => new Promise(resolve => pings.push(resolve)) },
    isConnected: () => connected,
    wait: (ms, signal) => {
      log.push(`wait ${ms}`)
      return new Promise((resolve, reject) => {
        pauses.push(resolve)
        signal.addEventListener('abort', reject)
      })
    }
  })
  const turn = async (action: () => void) => {
    action()
    await new Promise(resolve => setImmediate(resolve))
  }
  const disconnect = () => {
    connected = false
  }
  return { peer, doubted, log, pings, pauses, doubtful, turn, disconnect }
}

it('who answers the ping was only slow, and stays in the table', async () => {
  const { peer, doubted, log, pings, doubtful, turn } = await examined()
  doubtful.doubt(peer)
  doubtful.doubt(peer)
  expect(pings).toHaveLength(1)
  await turn(() => pings[0]?.(true))
  expect(log).toEqual([])
  expect(doubted.size).toBe(0)
  expect(doubtful.disconnected(peer)).toBe(false)
})

it('who does not answer leaves the table, is asked less and less often, and comes back when it answers', async () => {
  const { peer, doubted, log, pings, pauses, doubtful, turn } = await examined()
  doubtful.doubt(peer)
  for (let round = 0; round < 6; round++) {
    await turn(() => pings[round]?.(false))
    expect([...doubted]).toEqual([peer.toString()])
    await turn(() => pauses[round]?.())
  }
  await turn(() => pings[6]?.(true))
  expect(log).toEqual([
    ...['remove', 'wait 5000', 'wait 15000', 'wait 60000', 'wait 120000', 'wait 120000', 'wait 120000'],
    'add'
  ])
  expect(doubted.size).toBe(0)
})

it('the end of the connection ends it, and so does the stop', async () => {
  const { peer, doubted, pings, doubtful, turn, disconnect } = await examined()
  doubtful.doubt(peer)
  await turn(() => pings[0]?.(false))
  disconnect()
  expect(doubtful.disconnected(peer)).toBe(true)
  await turn(() => {})
  expect(doubted.size).toBe(0)
  expect(doubtful.disconnected(peer)).toBe(false)

  const other = await examined()
  other.doubtful.doubt(other.peer)
  await other.turn(() => other.pings[0]?.(false))
  await other.doubtful.stop()
  expect(other.doubted.size).toBe(0)
})
