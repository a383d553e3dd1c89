import { generateKeyPair } from '@libp2p/crypto/keys'
import type { Peer, PeerId } from '@libp2p/interface'
import type { KadDHT } from '@libp2p/kad-dht'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import type { CID } from 'multiformats/cid'
import { afterEach, expect, it, vi } from 'vitest'
import { ownRecords, RECORD_VALIDITY_MS, writeOwnRecord } from '../../src/dht/kad.ts'
import { giveLiveRecords } from '../../src/dht/live-records.ts'
import { addrOf, host } from '../node/host/test-hosts.ts'
import { randomCid } from './hostile-node.ts'

/** Of kad-dht, as it keeps them to itself. */
interface Providers {
  addProvider(cid: CID, peer: PeerId, options?: { time?: Date }): Promise<void>
  getProviders(cid: CID): Promise<PeerId[]>
  loadProviders(cid: CID): Promise<Iterable<[PeerId, Date]>>
}

afterEach(() => void vi.restoreAllMocks())

const someId = async (): Promise<PeerId> => peerIdFromPrivateKey(await generateKeyPair('Ed25519'))

it('gives out neither what has expired nor a peer that nothing is known of; an answer does not fail by them', async () => {
  const node = await host()
  const dht = node.libp2p.services.dht
  const cid = randomCid()
  const [known, expired, unknown] = await Promise.all([someId(), someId(), someId()])
  for (const id of [known, expired]) {
    await node.libp2p.peerStore.merge(id, { multiaddrs: [multiaddr('/ip4/192.0.2.1/tcp/1')] })
  }
  const { providers } = dht as unknown as { providers: Providers }
  for (const id of [expired, node.libp2p.peerId]) {
    await providers.addProvider(cid, id, { time: new Date(Date.now() - RECORD_VALIDITY_MS) })
  }
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

it('a clock that is set back makes no record last longer, and none shorter when it is put right', async () => {
  const cid = randomCid()
  const [self, provider] = await Promise.all([someId(), someId()])
  const time = { monotonic: 1_000, wall: 1_700_000_000_000 }
  vi.spyOn(Date, 'now').mockImplementation(() => time.wall)
  const written = new Map<PeerId, Date>()
  const providers: Providers = {
    // as kad-dht's
    addProvider: async (_cid, peer, options) => void written.set(peer, options?.time ?? new Date(Date.now())),
    getProviders: async () => [],
    loadProviders: async () => written
  }
  const peerStore = { get: async () => ({}) as Peer }
  const clock = { now: () => time.monotonic, wallMs: () => time.wall }
  const reprovider = { validity: 0 }
  // as kad-dht's hourly pass has it
  const isDeleted = () => [...written.values()].some(at => Date.now() > at.getTime() + reprovider.validity)
  giveLiveRecords({ providers, reprovider } as unknown as KadDHT, {
    self,
    peerStore,
    validityMs: RECORD_VALIDITY_MS,
    clock
  })
  await providers.addProvider(cid, provider)
  const pass = (ms: number, leapMs: number) => {
    time.monotonic += ms
    time.wall += ms + leapMs
  }
  const yearMs = 365 * 86_400_000
  pass(1_000, -10 * yearMs)
  expect(await providers.getProviders(cid)).toEqual([provider])
  expect(isDeleted()).toBe(false)
  pass(RECORD_VALIDITY_MS - 2_000, 10 * yearMs)
  expect(await providers.getProviders(cid)).toEqual([provider])
  expect(isDeleted()).toBe(false)
  pass(0, -10 * yearMs)
  pass(1_001, 0)
  expect(await providers.getProviders(cid)).toEqual([])
  expect(isDeleted()).toBe(true)
})
