import { generateKeyPair } from '@libp2p/crypto/keys'
import type { PeerStore } from '@libp2p/interface'
import type { KadDHT } from '@libp2p/kad-dht'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { TableKeeper } from '../../src/dht/table-keeper.ts'

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
})
afterEach(() => {
  vi.useRealTimers()
})

/** A keeper of a table that grows on demand, with walks that last until they are told to end. */
async function keeper() {
  const self = peerIdFromPrivateKey(await generateKeyPair('Ed25519'))
  const other = peerIdFromPrivateKey(await generateKeyPair('Ed25519'))
  const table = Object.assign(new EventTarget(), { closestPeers: () => [other] })
  const walks: Array<() => void> = []
  let underWay = 0
  let most = 0
  const dht = {
    routingTable: table,
    network: {
      async *sendRequest() {
        underWay += 1
        most = Math.max(most, underWay)
        await new Promise<void>(resolve => walks.push(resolve))
        underWay -= 1
      }
    }
  }
  const kept = new TableKeeper({
    dht: dht as unknown as KadDHT,
    self,
    peerStore: { get: async () => ({ metadata: new Map(), protocols: [] }) } as unknown as PeerStore,
    events: new EventTarget() as never,
    isConnected: () => true
  })
  kept.start()
  return {
    kept,
    walks,
    most: () => most,
    grow: () => table.dispatchEvent(new CustomEvent('peer:add', { detail: self }))
  }
}

it('walks one at a time, and once more for all that was added meanwhile', async () => {
  const { kept, walks, most, grow } = await keeper()
  grow()
  await vi.advanceTimersByTimeAsync(1_000)
  expect(walks).toHaveLength(1)
  for (let i = 0; i < 10; i++) {
    grow()
    await vi.advanceTimersByTimeAsync(1_000)
  }
  expect(walks).toHaveLength(1)
  walks[0]?.()
  await vi.advanceTimersByTimeAsync(2_999)
  expect(walks).toHaveLength(1)
  await vi.advanceTimersByTimeAsync(1)
  expect(walks).toHaveLength(2)
  walks[1]?.()
  await vi.advanceTimersByTimeAsync(100_000)
  expect(walks).toHaveLength(2)
  expect(most()).toBe(1)
  await kept.stop()
})

it('ends at its stop the walk that is under way, whoever does not answer, and begins no other', async () => {
  const { kept, walks, grow } = await keeper()
  grow()
  await vi.advanceTimersByTimeAsync(1_000)
  grow()
  await kept.stop()
  await vi.advanceTimersByTimeAsync(100_000)
  expect(walks).toHaveLength(1)
})
