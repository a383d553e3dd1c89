import '../../../src/base/polyfill.ts'
import { generateKeyPair } from '@libp2p/crypto/keys'
import type { PeerId, PeerStore } from '@libp2p/interface'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p, type Libp2p } from 'libp2p'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { PeerMemory } from '../../../src/node/host/peer-memory.ts'

const MINUTE_MS = 60_000
const ADDR = multiaddr('/ip4/192.0.2.7/tcp/1')

let node: Libp2p
let store: PeerStore
let ann: PeerId
let now = 0
/** Calls that reached the stock store. */
let reached: string[] = []

beforeEach(async () => {
  node = await createLibp2p({ start: false })
  store = node.peerStore
  ann = peerIdFromPrivateKey(await generateKeyPair('Ed25519'))
  now = Date.now()
  reached = []
  for (const name of ['get', 'merge', 'patch', 'delete'] as const) spy(name)
  new PeerMemory({ store, self: node.peerId, nowMs: () => now })
})

afterEach(() => node.stop())

function spy<K extends 'get' | 'merge' | 'patch' | 'delete'>(name: K): void {
  const call = store[name].bind(store) as (...args: unknown[]) => unknown
  store[name] = ((...args: unknown[]) => {
    reached.push(name)
    return call(...args)
  }) as PeerStore[K]
}

it('reads a peer once, and again after a minute', async () => {
  await store.merge(ann, { multiaddrs: [ADDR] })
  reached = []
  for (let i = 0; i < 3; i++) {
    expect((await store.get(ann)).addresses.map(a => a.multiaddr.toString())).toEqual([ADDR.toString()])
    expect((await store.getInfo(ann)).multiaddrs.join()).toBe(ADDR.toString())
  }
  expect(reached).toEqual([])
  now += MINUTE_MS
  await store.get(ann)
  await store.get(ann)
  expect(reached).toEqual(['get'])
})

it('drops what is told again: protocols, addresses, both', async () => {
  await store.merge(ann, { multiaddrs: [ADDR], protocols: ['/a', '/b'] })
  reached = []
  expect((await store.merge(ann, { protocols: ['/a'] })).protocols).toEqual(['/a', '/b'])
  await store.merge(ann, { multiaddrs: [ADDR] })
  await store.merge(ann, { multiaddrs: [ADDR], protocols: ['/b'] })
  expect(reached).toEqual([])
})

it('writes what is new, and whatever is more than protocols and addresses', async () => {
  await store.merge(ann, { multiaddrs: [ADDR], protocols: ['/a'] })
  reached = []
  await store.merge(ann, { protocols: ['/b'] })
  await store.merge(ann, { multiaddrs: [multiaddr('/ip4/192.0.2.7/tcp/2')] })
  await store.merge(ann, { protocols: ['/a'], tags: { near: { value: 1 } } })
  await store.merge(ann, { metadata: { AgentVersion: Uint8Array.of(1) } })
  await store.patch(ann, { protocols: ['/a'] })
  expect(reached).toEqual(['merge', 'merge', 'merge', 'merge', 'patch'])
  const peer = await store.get(ann)
  expect(peer.protocols).toEqual(['/a'])
  expect(peer.addresses).toHaveLength(2)
  expect([...peer.tags.keys()]).toEqual(['near'])
  expect([...peer.metadata.keys()]).toEqual(['AgentVersion'])
})

it('renews a peer that was not written for ten minutes', async () => {
  await store.merge(ann, { protocols: ['/a'] })
  now += 11 * MINUTE_MS
  await store.get(ann)
  reached = []
  await store.merge(ann, { protocols: ['/a'] })
  expect(reached).toEqual(['merge'])
})

it('forgets a peer that is deleted, and keeps nothing of one that is unknown', async () => {
  await store.merge(ann, { protocols: ['/a'] })
  await store.delete(ann)
  await expect(store.get(ann)).rejects.toThrow()
  await store.merge(ann, { protocols: ['/a'] })
  expect((await store.get(ann)).protocols).toEqual(['/a'])
})

it('never shows what was there before a write', async () => {
  await store.merge(ann, { protocols: ['/0'] })
  for (let i = 1; i <= 50; i++) {
    const early = store.get(ann)
    const write = store.patch(ann, { protocols: [`/${i}`] })
    const during = store.get(ann)
    const merged = i % 2 === 0 ? store.merge(ann, { protocols: ['/x'] }) : undefined
    await write
    expect((await store.get(ann)).protocols).toContain(`/${i}`)
    await Promise.all([early, during, merged])
    expect((await store.get(ann)).protocols).toEqual(i % 2 === 0 ? [`/${i}`, '/x'] : [`/${i}`])
  }
})

it('hands out copies', async () => {
  await store.merge(ann, { multiaddrs: [ADDR], protocols: ['/a'] })
  const peer = await store.get(ann)
  peer.addresses.pop()
  peer.protocols.push('/b')
  peer.metadata.set('x', Uint8Array.of(1))
  const again = await store.get(ann)
  expect(again.addresses).toHaveLength(1)
  expect(again.protocols).toEqual(['/a'])
  expect(again.metadata.size).toBe(0)
})

it('reads this node itself from the store after a write', async () => {
  await store.patch(node.peerId, { multiaddrs: [ADDR] })
  reached = []
  await store.get(node.peerId)
  await store.get(node.peerId)
  expect(reached).toEqual(['get'])
})
