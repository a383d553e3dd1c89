import { generateKeyPair } from '@libp2p/crypto/keys'
import type { PeerId } from '@libp2p/interface'
import type { KadDHT } from '@libp2p/kad-dht'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { expect, it } from 'vitest'
import { trustConnected } from '../../src/dht/sure-contacts.ts'

const someone = async () => peerIdFromPrivateKey(await generateKeyPair('Ed25519'))

it('pings only who is not connected, and says of the others that they were heard of', async () => {
  const [ann, bob] = [await someone(), await someone()]
  const pinged: PeerId[] = []
  const heard: PeerId[] = []
  const verify = async ({ peerId }: { peerId: PeerId }) => {
    pinged.push(peerId)
    return false
  }
  const kb = { verify }
  const routingTable = { kb, safeDispatchEvent: (_: string, init: { detail: PeerId }) => heard.push(init.detail) }
  trustConnected({ routingTable } as unknown as KadDHT, peer => peer === ann)
  expect(await kb.verify({ peerId: ann })).toBe(true)
  expect(await kb.verify({ peerId: bob })).toBe(false)
  expect(pinged).toEqual([bob])
  expect(heard).toEqual([ann])
})

it('leaves a table alone that is built otherwise', () => {
  const dht = { routingTable: {} } as unknown as KadDHT
  expect(trustConnected(dht, () => true)).toBe(dht)
})
