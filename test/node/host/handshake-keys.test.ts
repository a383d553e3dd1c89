import { noise as stockNoise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { tcp } from '@libp2p/tcp'
import { createLibp2p, type Libp2p } from 'libp2p'
import { afterEach, expect, it } from 'vitest'
import { noise } from '../../../src/node/host/handshake-keys.ts'
import { LOOPBACK } from './test-hosts.ts'

const started: Libp2p[] = []
afterEach(async () => {
  await Promise.all(started.splice(0).map(node => node.stop()))
})

async function nodeWith(encrypter: ReturnType<typeof noise>): Promise<Libp2p> {
  const node = await createLibp2p({
    addresses: { listen: [LOOPBACK] },
    transports: [tcp()],
    connectionEncrypters: [encrypter],
    streamMuxers: [yamux()]
  })
  started.push(node)
  return node
}

it.each([
  ['ours', 'the stock one', noise, stockNoise],
  ['the stock one', 'ours', stockNoise, noise],
  ['ours', 'ours', noise, noise]
])('%s shakes hands with %s, more than once', async (_from, _to, near, far) => {
  const listener = await nodeWith(far())
  for (let i = 0; i < 3; i++) {
    const dialer = await nodeWith(near())
    const connection = await dialer.dial(listener.getMultiaddrs())
    expect(connection.remotePeer.toString()).toBe(listener.peerId.toString())
  }
})

interface View {
  staticKey: Pair
  crypto: { generateKeypair(): Pair; dh(own: Pair, peer: Uint8Array): Uint8Array }
}
interface Pair {
  publicKey: Uint8Array
  privateKey: Uint8Array
}

it('agrees on the same secrets as the stock one, for keys of either', async () => {
  const viewOf = async (make: typeof noise) => {
    const { components } = (await nodeWith(make())) as unknown as {
      components: Parameters<ReturnType<typeof noise>>[0]
    }
    return make()(components) as unknown as View
  }
  const [ours, stock] = [await viewOf(noise), await viewOf(stockNoise)]
  const pairs = [ours.staticKey, ours.crypto.generateKeypair(), stock.staticKey, stock.crypto.generateKeypair()]
  for (const own of pairs) {
    for (const { publicKey } of pairs) {
      expect([...ours.crypto.dh(own, publicKey)]).toEqual([...stock.crypto.dh(own, publicKey)])
    }
  }
  // the point of order 1 gives nothing secret: both refuse it
  for (const { crypto, staticKey } of [ours, stock]) expect(() => crypto.dh(staticKey, new Uint8Array(32))).toThrow()
})
