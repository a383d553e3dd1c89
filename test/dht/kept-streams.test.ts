import { generateKeyPair } from '@libp2p/crypto/keys'
import type { PeerId, Stream } from '@libp2p/interface'
import type { KadDHT } from '@libp2p/kad-dht'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { streamPair } from '@libp2p/utils'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { keepStreams } from '../../src/dht/kept-streams.ts'

let peer: PeerId
/** Our end and the node's, of each stream opened. */
let opened: [Stream, Stream][]
let lease: () => Promise<Stream>

beforeEach(async () => {
  peer = peerIdFromPrivateKey(await generateKeyPair('Ed25519'))
  opened = []
  const openStream = async () => {
    const pair = (await streamPair()) as [Stream, Stream]
    opened.push(pair)
    return pair[0]
  }
  const network = { components: { connectionManager: { openStream } } }
  keepStreams({ network } as unknown as KadDHT)
  const open = network.components.connectionManager.openStream as unknown as (
    peer: PeerId,
    protocol: string
  ) => Promise<Stream>
  lease = () => open(peer, '/shoal/kad/1.0.0')
})

afterEach(() => {
  vi.useRealTimers()
  for (const pair of opened) for (const end of pair) end.abort(new Error('the test is over'))
})

const told = (stream: Stream | undefined, event: 'close' | 'remoteCloseWrite') =>
  new Promise(resolve => stream?.addEventListener(event, resolve, { once: true }))

/** A question and its answer. */
async function ask(stream: Stream, end = opened.length - 1): Promise<string> {
  const node = opened[end]?.[1]
  const answer = new Promise<string>(resolve => {
    stream.addEventListener('message', event => resolve(Buffer.from(event.data.subarray()).toString()), { once: true })
  })
  const asked = new Promise<void>(resolve => node?.addEventListener('message', () => resolve(), { once: true }))
  stream.send(Buffer.from('who?'))
  await asked
  node?.send(Buffer.from('ann'))
  return await answer
}

it('keeps a stream that was answered for the next question', async () => {
  const first = await lease()
  expect(await ask(first)).toBe('ann')
  await first.close()
  const second = await lease()
  expect(await ask(second)).toBe('ann')
  await second.close()
  expect(opened).toHaveLength(1)
})

it('opens another one while the first is asked', async () => {
  const first = await lease()
  await lease()
  expect(opened).toHaveLength(2)
  await ask(first, 0)
})

it('closes one that was not answered: its failure may still come', async () => {
  const first = await lease()
  first.send(Buffer.from('this is so'))
  await first.close()
  await lease()
  expect(opened).toHaveLength(2)
  expect(opened[0]?.[0].writeStatus).not.toBe('writable')
})

it('does not take up one that the node has ended meanwhile', async () => {
  const first = await lease()
  await ask(first)
  await first.close()
  const gone = told(opened[0]?.[0], 'close')
  opened[0]?.[1].abort(new Error('idle for too long'))
  await gone
  await lease()
  expect(opened).toHaveLength(2)
})

it('resets one on which the node speaks unasked: it would be taken for the next answer', async () => {
  const first = await lease()
  await ask(first)
  await first.close()
  const gone = told(opened[0]?.[0], 'close')
  opened[0]?.[1].send(Buffer.from('mallory'))
  await gone
  await lease()
  expect(opened).toHaveLength(2)
})

it('does not keep one that was broken off', async () => {
  const first = await lease()
  await ask(first)
  first.abort(new Error('too slow'))
  await lease()
  expect(opened).toHaveLength(2)
})

it('closes after 5 s what nobody needed', async () => {
  const first = await lease()
  await ask(first)
  const closed = told(opened[0]?.[1], 'remoteCloseWrite')
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  await first.close()
  await vi.advanceTimersByTimeAsync(4_999)
  expect(opened[0]?.[0].writeStatus).toBe('writable')
  await vi.advanceTimersByTimeAsync(1)
  vi.useRealTimers()
  await closed
  await lease()
  expect(opened).toHaveLength(2)
})

it('ends a kept stream on which the node says no more, when the next question needs another', async () => {
  const first = await lease()
  await ask(first)
  await first.close()
  const [ours, node] = opened[0] ?? []
  const saidNoMore = told(ours, 'remoteCloseWrite')
  await node?.close()
  await saidNoMore
  const isEnded = told(ours, 'close')
  await (await lease()).close()
  await isEnded
  expect(ours?.status).not.toBe('open')
  expect(opened).toHaveLength(2)
})
