import { generateKeyPair } from '@libp2p/crypto/keys'
import type { PeerId } from '@libp2p/interface'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { expect, it } from 'vitest'
import { AddressLookups } from '../../src/dht/address-lookups.ts'

const peers = (count: number): Promise<PeerId[]> =>
  Promise.all(Array.from({ length: count }, async () => peerIdFromPrivateKey(await generateKeyPair('Ed25519'))))

it('looks for four at a time, in the order they were named, and for nobody known meanwhile', async () => {
  const crowd = await peers(7)
  const ids = crowd.map(String)
  const answer = new Map<string, (addrs: string[]) => void>()
  const lookups = new AddressLookups(peer => new Promise(resolve => answer.set(peer.toString(), resolve)))
  for (const peer of crowd) lookups.add(peer)
  expect([...answer.keys()]).toEqual(ids.slice(0, 4))
  lookups.drop(ids[4] ?? '')
  answer.get(ids[2] ?? '')?.(['/ip4/10.0.0.1/tcp/1'])
  const first = await Promise.race(lookups.running)
  expect(first).toEqual({ id: ids[2], addrs: ['/ip4/10.0.0.1/tcp/1'] })
  lookups.ended(first.id)
  expect([...answer.keys()].at(-1)).toBe(ids[5])
  expect(new Set(lookups.stop())).toEqual(new Set([0, 1, 3, 5, 6].map(n => ids[n])))
  expect(lookups.running).toEqual([])
})
