import { generateKeyPair } from '@libp2p/crypto/keys'
import type { PeerId } from '@libp2p/interface'
import type { KadDHT } from '@libp2p/kad-dht'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { CID } from 'multiformats/cid'
import { beforeEach, expect, it } from 'vitest'
import { AskedNodes } from '../../src/dht/asked-nodes.ts'
import { nearest } from '../../src/dht/distance.ts'

const cid = CID.parse('bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy')
const someone = async () => peerIdFromPrivateKey(await generateKeyPair('Ed25519'))

const { signal } = new AbortController()

let now = 0
let tableSize = 0
let walks = 0
let nodes: PeerId[]
let asked: AskedNodes
let contentRouting: {
  peerRouting: {
    getClosestPeers(
      key: Uint8Array,
      options: { signal: AbortSignal }
    ): AsyncIterable<{ name: string; peer: { id: PeerId } }>
  }
}

beforeEach(async () => {
  now = 0
  tableSize = 0
  walks = 0
  nodes = await Promise.all(Array.from({ length: 30 }, someone))
  const [only, self] = [await someone(), await someone()]
  contentRouting = { peerRouting: {} as never }
  const routingTable = {
    get size() {
      return tableSize
    },
    closestPeers: () => [only]
  }
  const network = {
    async *sendRequest(from: PeerId) {
      walks += 1
      yield { name: 'PEER_RESPONSE', from, closer: [] }
    }
  }
  const dht = { contentRouting, routingTable, network } as unknown as KadDHT
  asked = new AskedNodes({ dht, self, isConnected: () => true, nowMs: () => now })
})

const closest = async () => {
  const found: PeerId[] = []
  for await (const { name, peer } of contentRouting.peerRouting.getClosestPeers(cid.multihash.bytes, { signal }))
    if (name === 'FINAL_PEER') found.push(peer.id)
  return found
}

it('takes the nearest that answered a lookup in place of a walk, once', async () => {
  asked.remember(cid, nodes)
  expect(await closest()).toEqual(nearest(cid.multihash.bytes, nodes))
  expect(walks).toBe(0)
  expect(await closest()).toHaveLength(1)
  expect(walks).toBe(1)
})

it('walks a minute later, when others may be nearer', async () => {
  asked.remember(cid, nodes)
  now = 60_001
  await closest()
  expect(walks).toBe(1)
})

it('walks when many more are known than answered', async () => {
  asked.remember(cid, nodes.slice(0, 3))
  tableSize = 4
  expect(await closest()).toHaveLength(3)
  asked.remember(cid, nodes.slice(0, 3))
  tableSize = 5
  await closest()
  expect(walks).toBe(1)
})

it('waits for the end of a lookup that is under way', async () => {
  const ended = asked.begin(cid)
  const found = closest()
  await Promise.resolve()
  asked.remember(cid, nodes)
  ended()
  expect(await found).toHaveLength(20)
  expect(walks).toBe(0)
})

it('remembers 64 lookups', async () => {
  asked.remember(cid, nodes)
  for (let i = 0; i < 64; i++) {
    const digest = Uint8Array.from(cid.multihash.bytes)
    digest[10] = (digest[10] ?? 0) ^ (i + 1)
    asked.remember({ multihash: { bytes: digest } } as unknown as CID, [])
  }
  await closest()
  expect(walks).toBe(1)
})
