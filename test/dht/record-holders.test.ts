import { generateKeyPair } from '@libp2p/crypto/keys'
import type { PeerId } from '@libp2p/interface'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { expect, it } from 'vitest'
import { RecordHolders } from '../../src/dht/record-holders.ts'

async function holders(count: number, size: number) {
  let tableSize = size
  const peers: PeerId[] = []
  for (let i = 0; i < count; i++) peers.push(peerIdFromPrivateKey(await generateKeyPair('Ed25519')))
  const gone = new Set<PeerId>()
  const kept = new RecordHolders({ answers: peer => !gone.has(peer), tableSize: () => tableSize })
  kept.set('cid', peers)
  const grow = (to: number) => {
    tableSize = to
  }
  return { kept, peers, grow, lose: (n: number) => void peers.slice(0, n).forEach(peer => void gone.add(peer)) }
}

it('a record is thin once half of its holders are gone', async () => {
  const { kept, lose } = await holders(20, 60)
  expect(kept.isThin('cid')).toBe(false)
  lose(9)
  expect(kept.isThin('cid')).toBe(false)
  lose(10)
  expect(kept.isThin('cid')).toBe(true)
})

it('who went and is back holds nothing of what was announced before, but what is announced then', async () => {
  const { kept, peers } = await holders(4, 4)
  for (const peer of peers.slice(0, 2)) kept.left(peer)
  expect(kept.isThin('cid')).toBe(true)
  kept.set('cid', peers)
  expect(kept.isThin('cid')).toBe(false)
})

it('who goes while an announcement is under way may have taken the record before, and holds it no more', async () => {
  const { kept, peers } = await holders(2, 2)
  for (const peer of peers) kept.left(peer)
  const number = kept.begin()
  kept.set('cid', peers, number)
  expect(kept.isThin('cid')).toBe(false)
  for (const peer of peers.slice(0, 1)) kept.left(peer)
  expect(kept.isThin('cid')).toBe(true)
  const next = kept.begin()
  for (const peer of peers.slice(0, 1)) kept.left(peer)
  kept.set('cid', peers, next)
  expect(kept.isThin('cid')).toBe(true)
})

it('a record is outgrown once twice as many nodes are known as when it was announced, and not again by then', async () => {
  const { kept, peers, grow } = await holders(20, 24)
  grow(47)
  expect(kept.isOutgrown('cid')).toBe(false)
  grow(48)
  expect(kept.isOutgrown('cid')).toBe(true)
  kept.set('cid', peers)
  expect(kept.isOutgrown('cid')).toBe(false)
})

it('the holders count as known where the table lacks them, as it does in the first seconds', async () => {
  const { kept, grow } = await holders(3, 1)
  grow(5)
  expect(kept.isOutgrown('cid')).toBe(false)
  grow(6)
  expect(kept.isOutgrown('cid')).toBe(true)
})

it('knows nothing of what it was not told, or is to forget', async () => {
  const { kept, lose } = await holders(4, 4)
  lose(4)
  expect(kept.isThin('other')).toBe(false)
  expect(kept.isOutgrown('other')).toBe(false)
  expect(kept.isThin('cid')).toBe(true)
  kept.forget('cid')
  expect(kept.isThin('cid')).toBe(false)
})
