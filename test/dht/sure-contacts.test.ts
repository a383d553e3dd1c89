import { generateKeyPair } from '@libp2p/crypto/keys'
import type { PeerId } from '@libp2p/interface'
import type { KadDHT } from '@libp2p/kad-dht'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { expect, it } from 'vitest'
import { contactsOf, trustConnected } from '../../src/dht/sure-contacts.ts'

const someone = async () => peerIdFromPrivateKey(await generateKeyPair('Ed25519'))

/** A table whose newcomers are pinged as kad-dht does it. */
function tableOf(isConnected: (peer: PeerId) => boolean, self: PeerId, reachable = true) {
  const pinged: PeerId[] = []
  const dialled: PeerId[] = []
  const heard: PeerId[] = []
  const table = {
    components: {
      ping: {
        ping: async (peer: PeerId) => {
          pinged.push(peer)
          return 1
        }
      }
    },
    kb: {
      verify: async ({ peerId }: { peerId: PeerId }): Promise<boolean> =>
        await table.components.ping.ping(peerId).then(
          () => true,
          () => false
        )
    },
    safeDispatchEvent: (_: string, init: { detail: PeerId }) => heard.push(init.detail)
  }
  const dht = { routingTable: table } as unknown as KadDHT
  const dial = async (peer: PeerId) => {
    dialled.push(peer)
    if (!reachable) throw new Error('nobody there')
  }
  trustConnected(dht, { self, isConnected, dial })
  return { dht, table, pinged, dialled, heard }
}

const sorted = (peers: PeerId[]) => peers.sort((a, b) => (a.toString() < b.toString() ? -1 : 1)) as [PeerId, PeerId]

it('takes who is connected for sure, dials the others, and pings nobody', async () => {
  const [self, bob] = sorted([await someone(), await someone()])
  const ann = await someone()
  const { table, pinged, dialled, heard } = tableOf(peer => peer === ann, self)
  expect(await table.kb.verify({ peerId: ann })).toBe(true)
  expect(heard).toEqual([ann])
  expect(dialled).toEqual([])
  expect(await table.kb.verify({ peerId: bob })).toBe(true)
  expect(dialled).toEqual([bob])
  expect(pinged).toEqual([])
})

it('does not take in who cannot be dialled', async () => {
  const [self, bob] = sorted([await someone(), await someone()])
  expect(await tableOf(() => false, self, false).table.kb.verify({ peerId: bob })).toBe(false)
})

it('waits for the dial of the other one where that has the lesser ID', async () => {
  const [bob, self] = sorted([await someone(), await someone()])
  let isThere = false
  const { table, dialled } = tableOf(() => isThere, self)
  const verified = table.kb.verify({ peerId: bob })
  isThere = true
  expect(await verified).toBe(true)
  expect(dialled).toEqual([])
  isThere = false
  expect(await table.kb.verify({ peerId: bob })).toBe(true)
  expect(dialled).toEqual([bob])
})

it('pings who is connected and in doubt', async () => {
  const [self, bob] = sorted([await someone(), await someone()])
  const { dht, table, pinged, dialled } = tableOf(() => true, self)
  contactsOf(dht).doubted.add(bob.toString())
  await table.kb.verify({ peerId: bob })
  await contactsOf(dht).ping(bob)
  expect(pinged).toEqual([bob, bob])
  expect(dialled).toEqual([])
})

it('leaves a table alone that is built otherwise', async () => {
  const self = await someone()
  const dht = { routingTable: {} } as unknown as KadDHT
  const connections = { self, isConnected: () => true, dial: async () => {} }
  expect(trustConnected(dht, connections)).toBe(dht)
})
