import '../../../src/base/polyfill.ts'
import { generateKeyPair } from '@libp2p/crypto/keys'
import type { PeerId, PeerStore } from '@libp2p/interface'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { createLibp2p, type Libp2p } from 'libp2p'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { boundPeers, MAX_ADDR_CHARS, MAX_PEER_ADDRS, MAX_PEER_PROTOCOLS } from '../../../src/node/host/peer-bounds.ts'

let node: Libp2p
let store: PeerStore
let ann: PeerId
let connected: boolean
let nowMs: number
let reached: Multiaddr[]

beforeEach(async () => {
  node = await createLibp2p({ start: false, peerStore: { maxAddressAge: Infinity, maxPeerAge: Infinity } })
  store = node.peerStore
  ann = peerIdFromPrivateKey(await generateKeyPair('Ed25519'))
  connected = false
  nowMs = 0
  reached = []
  boundPeers(store, { isConnected: () => connected, reachedAt: () => reached, maxAgeMs: 100, nowMs: () => nowMs })
})

afterEach(() => node.stop())

const addrs = (from: number, count: number) =>
  Array.from({ length: count }, (_, i) => multiaddr(`/ip4/192.0.2.1/tcp/${from + i}`))
const known = async () => (await store.get(ann)).addresses.map(({ multiaddr }) => multiaddr.toString())

it('takes no more addresses of one message than there can be', async () => {
  await store.merge(ann, { multiaddrs: addrs(1, 5_000) })
  expect(await known()).toHaveLength(MAX_PEER_ADDRS)
  await store.patch(ann, { multiaddrs: addrs(1, 5_000) })
  expect(await known()).toHaveLength(MAX_PEER_ADDRS)
})

it('nor of many, of which the newest stay', async () => {
  for (let from = 1; from <= 181; from += 20) await store.merge(ann, { multiaddrs: addrs(from, 20) })
  const left = await known()
  expect(left).toHaveLength(MAX_PEER_ADDRS)
  for (const addr of addrs(181, 20)) expect(left).toContain(addr.toString())
})

it('leaves out an address that is longer than any', async () => {
  const long = multiaddr(`/dns4/${'x'.repeat(MAX_ADDR_CHARS)}/tcp/1`)
  const zone = multiaddr(`/ip6zone/${'x'.repeat(100)}/ip6/fe80::1/tcp/1`)
  await store.merge(ann, { multiaddrs: [long, zone, ...addrs(1, 1)] })
  expect(await known()).toEqual(['/ip4/192.0.2.1/tcp/1'])
})

it('bounds protocols, and leaves what is within bounds alone', async () => {
  await store.merge(ann, { protocols: Array.from({ length: 1_000 }, (_, i) => `/p/${i}`) })
  expect((await store.get(ann)).protocols).toHaveLength(MAX_PEER_PROTOCOLS)
  await store.patch(ann, { protocols: ['/a'], multiaddrs: addrs(1, 3) })
  expect((await store.get(ann)).protocols).toEqual(['/a'])
  expect(await known()).toHaveLength(3)
})

const said = (from: number, count: number) => addrs(from, count).map(multiaddr => ({ multiaddr, isCertified: false }))

it('keeps what a peer said itself, however many rumours there are, and gives it out first', async () => {
  await store.patch(ann, { addresses: said(900, 2) })
  for (let from = 1; from <= 181; from += 20) await store.merge(ann, { multiaddrs: addrs(from, 20) })
  const left = await known()
  expect(left).toHaveLength(MAX_PEER_ADDRS)
  expect(left.slice(0, 2)).toEqual(addrs(900, 2).map(String))
})

it('what it announces becomes sure though it was heard of before, and replaces rumours', async () => {
  await store.merge(ann, { multiaddrs: addrs(1, 32) })
  await store.merge(ann, { addresses: said(30, 4) })
  expect(new Set((await known()).slice(0, 4))).toEqual(new Set(addrs(30, 4).map(String)))
  await store.merge(ann, { multiaddrs: addrs(100, 32) })
  expect(new Set((await known()).slice(0, 4))).toEqual(new Set(addrs(30, 4).map(String)))
})

it('an address is the same with the peer ID and without', async () => {
  await store.merge(ann, { multiaddrs: addrs(1, 2) })
  const whole = addrs(2, 1).map(addr => addr.encapsulate(`/p2p/${ann}`))
  await store.merge(ann, { addresses: whole.map(multiaddr => ({ multiaddr, isCertified: true })) })
  expect(await known()).toEqual(['/ip4/192.0.2.1/tcp/2', '/ip4/192.0.2.1/tcp/1'])
})

it('an address at which it was reached is sure', async () => {
  await store.merge(ann, { multiaddrs: addrs(500, 1), metadata: { 'last-dial-success': Buffer.from('1') } })
  for (let from = 1; from <= 101; from += 20) await store.merge(ann, { multiaddrs: addrs(from, 20) })
  expect((await known())[0]).toBe('/ip4/192.0.2.1/tcp/500')
})

it('takes no rumours of a peer that is connected', async () => {
  await store.patch(ann, { addresses: said(900, 1) })
  connected = true
  await store.merge(ann, { multiaddrs: addrs(1, 5) })
  expect(await known()).toEqual(['/ip4/192.0.2.1/tcp/900'])
  await store.merge(ann, { multiaddrs: addrs(901, 1), protocols: ['/a'] })
  expect(await known()).toHaveLength(2)
})

it('what it announces replaces what it announced before, but not where it was reached', async () => {
  connected = true
  reached = addrs(900, 1)
  await store.patch(ann, { addresses: said(1, 3) })
  for (let from = 2; from <= 40; from++) await store.merge(ann, { addresses: said(from, 3) })
  expect((await known()).sort()).toEqual([...addrs(40, 3), ...reached].map(String))
})

it('forgets an address when nobody has told of it for long, not one that is told again and again', async () => {
  for (nowMs = 0; nowMs <= 300; nowMs += 60) await store.merge(ann, { multiaddrs: addrs(nowMs === 0 ? 1 : 2, 2) })
  expect(await known()).toEqual(addrs(2, 2).map(String))
  expect((await store.getInfo(ann)).multiaddrs).toEqual(addrs(2, 2))
  nowMs += 100
  expect(await known()).toEqual([])
  await store.merge(ann, { multiaddrs: addrs(3, 1) })
  expect(await known()).toEqual(addrs(3, 1).map(String))
})

it('nor one of a peer that is connected, or was a moment ago', async () => {
  await store.merge(ann, { multiaddrs: addrs(1, 1) })
  connected = true
  await store.patch(ann, { addresses: said(1, 2) })
  nowMs = 1_000
  connected = false
  expect(await known()).toHaveLength(2)
  nowMs += 100
  expect(await known()).toEqual([])
  connected = true
  expect(await known()).toHaveLength(2)
})
