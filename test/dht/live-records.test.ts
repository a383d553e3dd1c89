import { generateKeyPair } from '@libp2p/crypto/keys'
import type { PeerId } from '@libp2p/interface'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { afterEach, expect, it, vi } from 'vitest'
import { ownRecords, RECORD_VALIDITY_MS, writeOwnRecord } from '../../src/dht/kad.ts'
import { addrOf, host } from '../node/host/test-hosts.ts'
import { randomCid } from './hostile-node.ts'

afterEach(() => vi.restoreAllMocks())

const someId = async (): Promise<PeerId> => peerIdFromPrivateKey(await generateKeyPair('Ed25519'))

it('gives out neither what has expired nor a peer that nothing is known of; an answer does not fail by them', async () => {
  const node = await host()
  const dht = node.libp2p.services.dht
  const cid = randomCid()
  const [known, expired, unknown] = await Promise.all([someId(), someId(), someId()])
  for (const id of [known, expired]) {
    await node.libp2p.peerStore.merge(id, { multiaddrs: [multiaddr('/ip4/192.0.2.1/tcp/1')] })
  }
  const now = Date.now()
  const clock = vi.spyOn(Date, 'now').mockReturnValue(now - RECORD_VALIDITY_MS)
  await writeOwnRecord(dht, cid, expired)
  await writeOwnRecord(dht, cid, node.libp2p.peerId)
  clock.mockRestore()
  for (const id of [known, unknown]) await writeOwnRecord(dht, cid, id)
  const live = [known, node.libp2p.peerId].map(String).sort()
  expect((await ownRecords(dht, cid)).map(String).sort()).toEqual(live)
  const getter = await host({ dht: { mode: 'client' } })
  await getter.dialer.connectTo(addrOf(node))
  const lookup = getter.routing.findProviders(cid)
  const found: string[] = []
  for await (const { id } of lookup) found.push(id)
  expect(found.sort()).toEqual(live)
  expect(lookup.stats).toMatchObject({ failed: 0 })
})
