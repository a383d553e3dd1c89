import { generateKeyPair } from '@libp2p/crypto/keys'
import type { PeerId, PeerInfo } from '@libp2p/interface'
import type { KadDHT } from '@libp2p/kad-dht'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { beforeEach, expect, it } from 'vitest'
import { dropKnownPeers } from '../../src/dht/known-peers.ts'

let now = 0
let told: string[] = []
let table: EventTarget
let network: { safeDispatchEvent(type: string, init?: { detail?: PeerInfo }): boolean }
let ann: PeerId
let bob: PeerId

beforeEach(async () => {
  now = 0
  told = []
  table = new EventTarget()
  network = {
    safeDispatchEvent: (type, init) => {
      told.push(`${type} ${init?.detail?.id === ann ? 'ann' : 'bob'} ${init?.detail?.multiaddrs.join()}`)
      return true
    }
  }
  ann = peerIdFromPrivateKey(await generateKeyPair('Ed25519'))
  bob = peerIdFromPrivateKey(await generateKeyPair('Ed25519'))
  dropKnownPeers({ network, routingTable: table } as unknown as KadDHT, () => now)
})

const mention = (id: PeerId, port: number) =>
  network.safeDispatchEvent('peer', { detail: { id, multiaddrs: [multiaddr(`/ip4/192.0.2.7/tcp/${port}`)] } })
const change = (type: 'peer:add' | 'peer:remove', detail: PeerId) =>
  table.dispatchEvent(new CustomEvent(type, { detail }))

it('drops what is told again of a peer in the routing table', () => {
  change('peer:add', ann)
  for (let i = 0; i < 20; i++) mention(ann, 1)
  expect(told).toEqual(['peer ann /ip4/192.0.2.7/tcp/1'])
})

it('lets through every mention of a peer that is not in it: it may have become reachable', () => {
  for (let i = 0; i < 2; i++) mention(bob, 1)
  change('peer:add', bob)
  for (let i = 0; i < 2; i++) mention(bob, 1)
  change('peer:remove', bob)
  for (let i = 0; i < 2; i++) mention(bob, 1)
  expect(told).toHaveLength(2 + 1 + 2)
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

it('touches no other event', () => {
  change('peer:add', ann)
  network.safeDispatchEvent('other')
  network.safeDispatchEvent('other')
  expect(told).toHaveLength(2)
})
