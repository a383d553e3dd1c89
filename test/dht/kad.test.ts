/** What a stranger may have a DHT node keep. Messages are written by hand: an honest node sends none of these. */
import { generateKeyPair, publicKeyToProtobuf } from '@libp2p/crypto/keys'
import type { Stream } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { afterEach, expect, test, vi } from 'vitest'
import { KAD_PROTOCOL } from '../../src/dht/kad.ts'
import { RecordStore } from '../../src/dht/record-store.ts'
import type { Host } from '../../src/node/host/create-host.ts'
import { addrOf, host, until } from '../node/host/test-hosts.ts'

afterEach(() => vi.restoreAllMocks())

const varint = (n: number): number[] => (n < 128 ? [n] : [(n & 0x7f) | 0x80, ...varint(n >>> 7)])
const field = (number: number, bytes: Uint8Array) =>
  Buffer.concat([Uint8Array.from([...varint(number * 8 + 2), ...varint(bytes.byteLength)]), bytes])
/** A kad-dht message: 1 type, 2 key, 3 record, 9 providers. */
const message = (type: number, ...fields: Uint8Array[]) => {
  const body = Buffer.concat([Uint8Array.of(8, type), ...fields])
  return Buffer.concat([Uint8Array.from(varint(body.byteLength)), body])
}
const PUT_VALUE = 0
const ADD_PROVIDER = 2

/** Resolves when the other side has answered, or has closed or reset the stream. */
async function say(stranger: Host, to: Host, bytes: Uint8Array): Promise<'answered' | 'ended'> {
  const connection = await stranger.libp2p.dial(multiaddr(addrOf(to)))
  const stream: Stream = await connection.newStream(KAD_PROTOCOL)
  const outcome = new Promise<'answered' | 'ended'>(resolve => {
    stream.addEventListener('message', () => resolve('answered'))
    for (const end of ['close', 'end'] as const) stream.addEventListener(end, () => resolve('ended'))
  })
  stream.send(bytes)
  void stream.close().catch(() => {})
  return await outcome
}

/** Keys that the stores of this process are given, ours and the stranger's. */
function spyOnKeys(): string[] {
  const keys: string[] = []
  const { put } = RecordStore.prototype
  vi.spyOn(RecordStore.prototype, 'put').mockImplementation(function (this: RecordStore, key, value) {
    const kept = put.call(this, key, value)
    keys.push(key.toString())
    return kept
  })
  return keys
}

test('values are refused: nobody could have public keys, or what looks like one, piled up here', async () => {
  const [ours, stranger] = [await host(), await host()]
  const keys = spyOnKeys()
  const { publicKey } = await generateKeyPair('Ed25519')
  const name = Buffer.concat([Buffer.from('/pk/'), publicKey.toMultihash().bytes])
  const record = Buffer.concat([
    field(1, name),
    field(2, publicKeyToProtobuf(publicKey)),
    field(5, Buffer.from(new Date().toISOString()))
  ])
  expect(await say(stranger, ours, message(PUT_VALUE, field(2, name), field(3, record)))).toBe('ended')
  expect(keys.filter(key => key.startsWith('/dht/record'))).toEqual([])
})

test('a provider record under a key of any length is refused, one under a hash is kept', async () => {
  const [ours, stranger] = [await host(), await host()]
  const keys = spyOnKeys()
  const self = stranger.libp2p.peerId.toMultihash().bytes
  const provider = field(9, Buffer.concat([field(1, self), field(2, multiaddr('/ip4/127.0.0.1/tcp/9').bytes)]))
  const cid = (digest: Uint8Array) =>
    Buffer.concat([Uint8Array.from([1, 0x55, 0, ...varint(digest.byteLength)]), digest])
  await say(stranger, ours, message(ADD_PROVIDER, field(2, cid(new Uint8Array(100_000))), provider))
  await say(stranger, ours, message(ADD_PROVIDER, field(2, cid(new Uint8Array(32).fill(7))), provider))
  const provided = () => keys.filter(key => key.startsWith('/dht/provider/') && key.endsWith(stranger.peerId))
  await until('the short one is kept', () => provided().length > 0)
  expect(provided().map(key => key.length < 256)).toEqual([true])
})
