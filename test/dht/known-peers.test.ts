import { generateKeyPair } from '@libp2p/crypto/keys'
import type { PeerId, PeerInfo } from '@libp2p/interface'
import type { KadDHT } from '@libp2p/kad-dht'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { beforeEach, expect, it } from 'vitest'
import { dropKnownPeers } from '../../src/dht/known-peers.ts'

let now = 0
let told: string[] = []
let table: EventTarget & { queueRoutingTableUpdate(peer: PeerId): void }
let updated: PeerId[] = []
let network: { safeDispatchEvent(type: string, init?: { detail?: PeerInfo }): boolean }
let ann: PeerId
let bob: PeerId
let self: PeerId

beforeEach(async () => {
  now = 0
  told = []
  updated = []
  table = Object.assign(new EventTarget(), { queueRoutingTableUpdate: (peer: PeerId) => void updated.push(peer) })
  network = {
    safeDispatchEvent: (type, init) => {
      told.push(`${type} ${init?.detail?.id === ann ? 'ann' : 'bob'} ${init?.detail?.multiaddrs.join()}`)
      return true
    }
  }
  ann = await stranger()
  bob = await stranger()
  self = await stranger()
  dropKnownPeers({ network, routingTable: table } as unknown as KadDHT, self, () => now)
})

const stranger = async () => peerIdFromPrivateKey(await generateKeyPair('Ed25519'))
const mention = (id: PeerId, ...ports: number[]) =>
  network.safeDispatchEvent('peer', {
    detail: { id, multiaddrs: ports.map(port => multiaddr(`/ip4/192.0.2.7/tcp/${port}`)) }
  })
const change = (type: 'peer:add' | 'peer:remove', detail: PeerId) =>
  table.dispatchEvent(new CustomEvent(type, { detail }))

it('drops what is told again of a peer in the routing table', () => {
  change('peer:add', ann)
  for (let i = 0; i < 20; i++) mention(ann, 1)
  expect(told).toEqual(['peer ann /ip4/192.0.2.7/tcp/1'])
})

it('lets through a mention of a peer that is not in it every 5 s: it may have become reachable', () => {
  for (let i = 0; i < 20; i++) mention(bob, 1)
  expect(told).toHaveLength(1)
  mention(bob, 2)
  expect(told).toHaveLength(2)
  now += 5_000
  for (let i = 0; i < 20; i++) mention(bob, 2)
  expect(told).toHaveLength(3)
  change('peer:add', bob)
  now += 5_000
  mention(bob, 2)
  expect(told).toHaveLength(3)
  change('peer:remove', bob)
  mention(bob, 2)
  expect(told).toHaveLength(4)
})

it('remembers so many addresses of a mention: who names a hundred is not remembered with all', () => {
  const ports = Array.from({ length: 100 }, (_, i) => i + 1)
  mention(bob, ...ports)
  mention(bob, ...ports)
  expect(told).toHaveLength(1)
  mention(bob, 40)
  expect(told).toHaveLength(2)
})

it('remembers some 1,000 strangers', async () => {
  const crowd = await Promise.all(Array.from({ length: 1_030 }, async () => await stranger()))
  for (const id of crowd) mention(id, 1)
  told = []
  for (const id of crowd.slice(-1_000)) mention(id, 1)
  expect(told).toEqual([])
  mention(crowd[0] ?? ann, 1)
  expect(told).toHaveLength(1)
})

it('lets through new addresses, and old ones again before the peer store forgets them', () => {
  change('peer:add', ann)
  mention(ann, 1)
  mention(ann, 2)
  mention(ann, 2)
  expect(told).toEqual(['peer ann /ip4/192.0.2.7/tcp/1', 'peer ann /ip4/192.0.2.7/tcp/2'])
  now += 10 * 60_000
  mention(ann, 2)
  expect(told).toHaveLength(3)
})

it('tells apart what is said, not how', () => {
  change('peer:add', ann)
  mention(ann, 1, 2)
  mention(ann, 2, 1)
  mention(ann, 1, 1)
  mention(ann, 2)
  expect(told).toHaveLength(1)
  mention(ann, 2, 3)
  expect(told).toHaveLength(2)
})

it('touches no other event', () => {
  change('peer:add', ann)
  network.safeDispatchEvent('other')
  network.safeDispatchEvent('other')
  expect(told).toHaveLength(2)
})

it('updates the table only for peers that are not in it', () => {
  table.queueRoutingTableUpdate(ann)
  change('peer:add', ann)
  table.queueRoutingTableUpdate(ann)
  table.queueRoutingTableUpdate(bob)
  change('peer:remove', ann)
  table.queueRoutingTableUpdate(ann)
  expect(updated).toEqual([ann, bob, ann])
})

it('drops what is said of this node itself: it would be dialled for its own table', () => {
  mention(self, 1)
  table.queueRoutingTableUpdate(self)
  expect(told).toEqual([])
  expect(updated).toEqual([])
})
