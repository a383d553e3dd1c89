import { generateKeyPair } from '@libp2p/crypto/keys'
import type { PeerId } from '@libp2p/interface'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { expect, it } from 'vitest'
import { RecordHolders } from '../../src/dht/record-holders.ts'

async function holders(count: number, tableSize: number) {
  const peers: PeerId[] = []
  for (let i = 0; i < count; i++) peers.push(peerIdFromPrivateKey(await generateKeyPair('Ed25519')))
  const gone = new Set<PeerId>()
  const kept = new RecordHolders({ answers: peer => !gone.has(peer), tableSize: () => tableSize })
  kept.set('cid', peers)
  return { kept, lose: (n: number) => void peers.slice(0, n).forEach(peer => void gone.add(peer)) }
}

it('a record is thin once half of its holders are gone', async () => {
  const { kept, lose } = await holders(20, 60)
  expect(kept.isThin('cid')).toBe(false)
  lose(9)
  expect(kept.isThin('cid')).toBe(false)
  lose(10)
  expect(kept.isThin('cid')).toBe(true)
})

it('a record of a young network is thin once that has doubled; one that twenty hold is not', async () => {
  expect((await holders(3, 5)).kept.isThin('cid')).toBe(false)
  expect((await holders(3, 6)).kept.isThin('cid')).toBe(true)
  expect((await holders(20, 200)).kept.isThin('cid')).toBe(false)
})

it('knows nothing of what it was not told, or is to forget', async () => {
  const { kept, lose } = await holders(4, 4)
  lose(4)
  expect(kept.isThin('other')).toBe(false)
  expect(kept.isThin('cid')).toBe(true)
  kept.forget('cid')
  expect(kept.isThin('cid')).toBe(false)
})
