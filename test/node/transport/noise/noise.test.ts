import { noise as stockNoise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import type { Stream } from '@libp2p/interface'
import { tcp } from '@libp2p/tcp'
import { createLibp2p, type Libp2p } from 'libp2p'
import { afterEach, expect, it } from 'vitest'
import { noise } from '../../../../src/node/transport/noise/noise.ts'
import { leanYamux } from '../../../../src/node/transport/yamux/yamux.ts'
import { LOOPBACK } from '../../host/test-hosts.ts'

const started: Libp2p[] = []
afterEach(async () => {
  await Promise.all(started.splice(0).map(node => node.stop()))
})

async function nodeWith(encrypter: ReturnType<typeof noise>, muxer = yamux()): Promise<Libp2p> {
  const node = await createLibp2p({
    addresses: { listen: [LOOPBACK] },
    transports: [tcp()],
    connectionEncrypters: [encrypter],
    streamMuxers: [muxer]
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

const lean = leanYamux as unknown as typeof yamux

async function echoed(stream: Stream, parts: readonly Uint8Array[]): Promise<Buffer> {
  const got: Uint8Array[] = []
  stream.addEventListener('message', ({ data }) => got.push(data.subarray().slice()))
  const ended = new Promise<void>((resolve, reject) => {
    stream.addEventListener('end', () => queueMicrotask(resolve))
    stream.addEventListener('close', event => event.error !== undefined && reject(event.error))
  })
  for (const part of parts) {
    if (!stream.send(part)) await new Promise(resolve => stream.addEventListener('drain', resolve, { once: true }))
  }
  await stream.close()
  await ended
  return Buffer.concat(got)
}

it.each([
  ['ours', 'the stock one', noise, stockNoise, yamux, yamux],
  ['the stock one', 'ours', stockNoise, noise, yamux, yamux],
  ['ours', 'ours', noise, noise, yamux, yamux],
  ['ours under our yamux', 'the stock one', noise, stockNoise, lean, yamux],
  ['the stock one', 'ours under our yamux', stockNoise, noise, yamux, lean],
  ['ours under our yamux', 'the same', noise, noise, lean, lean]
])('%s carries bytes of every size to %s and back', async (_from, _to, near, far, nearMuxer, farMuxer) => {
  const listener = await nodeWith(far(), farMuxer())
  await listener.handle('/echo', async stream => {
    stream.addEventListener('message', ({ data }) => void stream.send(data.subarray().slice()))
    stream.addEventListener('end', () => queueMicrotask(() => void stream.close()))
  })
  const dialer = await nodeWith(near(), nearMuxer())
  const stream = await (await dialer.dial(listener.getMultiaddrs())).newStream('/echo')
  // around a noise message (65,519 bytes of plain text), the switch of ciphers (1,200) and a window
  const sizes = [1, 2, 1_182, 1_183, 1_199, 1_200, 65_506, 65_507, 65_508, 65_519, 65_520, 131_026, 131_038, 300_000, 7]
  const parts = sizes.map((size, i) => Uint8Array.from({ length: size }, (_, at) => (at * 13 + i) & 0xff))
  expect((await echoed(stream, parts)).equals(Buffer.concat(parts))).toBe(true)
})

it('ends the connection when a byte was changed on the way', async () => {
  const listener = await nodeWith(noise())
  const dialer = await nodeWith(noise())
  const connection = await dialer.dial(listener.getMultiaddrs())
  await expect.poll(() => listener.getConnections().length).toBe(1)
  const [inbound] = listener.getConnections()
  if (inbound === undefined) throw new Error('no connection')
  const closed = new Promise(resolve => inbound.addEventListener('close', resolve))
  const { maConn } = connection as unknown as { maConn: { send(bytes: Uint8Array): boolean } }
  maConn.send(Buffer.concat([Uint8Array.of(0, 40), new Uint8Array(40)]))
  await closed
  expect(inbound.status).not.toBe('open')
})
