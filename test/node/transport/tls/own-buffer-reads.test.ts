import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { createSecureContext, TLSSocket, connect as tlsConnect } from 'node:tls'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { afterEach, expect, test } from 'vitest'
import { identityContext } from '../../../../src/node/transport/tls/identity.ts'
import { readIntoOwnBuffer } from '../../../../src/node/transport/tls/own-buffer-reads.ts'
import { until } from '../../host/test-hosts.ts'

const ends: Array<() => void> = []
afterEach(() => {
  for (const end of ends.splice(0)) end()
})

/** Two TLS sockets after their handshake, each on a socket that was there before. */
async function tlsPair(): Promise<{ near: TLSSocket; far: TLSSocket }> {
  const secureContext = await identityContext(await generateKeyPair('Ed25519'))
  const server = createServer().listen(0, '127.0.0.1')
  ends.push(() => server.close())
  await once(server, 'listening')
  const accepted = once(server, 'connection') as Promise<[Socket]>
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
  const [below] = await accepted
  const far = new TLSSocket(below, { isServer: true, secureContext })
  const near = tlsConnect({ socket, secureContext: createSecureContext(), rejectUnauthorized: false })
  ends.push(() => {
    near.destroy()
    far.destroy()
  })
  await Promise.all([once(near, 'secureConnect'), once(far, 'secure')])
  return { near, far }
}

test('what was read before comes first, then all that arrives, in one piece of memory, and then the end', async () => {
  const { near, far } = await tlsPair()
  near.write('early ')
  await until('it waits', () => far.readableLength === 6)
  const text: string[] = []
  const memory = new Set<ArrayBufferLike>()
  let ended = false
  far.once('end', () => {
    ended = true
  })
  // Where this fails, Node has changed what it keeps to itself: sockets are read the usual way, and slower.
  expect(
    readIntoOwnBuffer(far, bytes => {
      text.push(new TextDecoder().decode(bytes))
      if (text.length > 1) memory.add(bytes.buffer)
    })
  ).toBe(true)
  expect(text).toEqual(['early '])
  const long = 'x'.repeat(100_000)
  near.write(long)
  await until('it came', () => text.join('').length === 6 + long.length)
  near.end('bye')
  await until('the end', () => ended)
  expect(text.join('')).toBe(`early ${long}bye`)
  expect(memory.size).toBe(1)
})

test('a paused socket takes little more, and all when it goes on', async () => {
  const { near, far } = await tlsPair()
  let got = 0
  readIntoOwnBuffer(far, bytes => {
    got += bytes.byteLength
  })
  far.pause()
  const block = new Uint8Array(1 << 20)
  let sent = 0
  while (sent < 32 << 20) {
    sent += block.byteLength
    near.write(block)
  }
  near.write('end')
  for (let turn = 0; turn < 100; turn++) await new Promise(resolve => setImmediate(resolve))
  // what was decrypted when it was paused still comes
  expect(got).toBeLessThan(1 << 20)
  expect(near.writableLength).toBeGreaterThan(0)
  far.resume()
  await until('all came', () => got === sent + 3)
})

test('a socket that is built otherwise is left alone', () => {
  const unread = () => {
    throw new Error('it was read')
  }
  const withoutMemory = { read: unread, [Symbol('kBuffer')]: null, [Symbol('kBufferCb')]: null, _handle: {} }
  const withoutSymbols = { read: unread, _handle: { useUserBuffer: unread } }
  for (const socket of [withoutMemory, withoutSymbols]) {
    expect(readIntoOwnBuffer(socket as unknown as TLSSocket, () => {})).toBe(false)
  }
})

test('where the next bytes have a place they are read there, never more than it holds, and told of together', async () => {
  const { near, far } = await tlsPair()
  const block = new Uint8Array(new SharedArrayBuffer(300_000))
  const told: Uint8Array[] = []
  let at = 0
  const came = () => told.reduce((sum, { byteLength }) => sum + byteLength, 0)
  readIntoOwnBuffer(
    far,
    bytes => {
      told.push(bytes.buffer === block.buffer ? bytes : new Uint8Array(bytes))
      if (bytes.buffer === block.buffer) {
        expect(bytes.byteOffset).toBe(at)
        at += bytes.byteLength
      }
    },
    // the first and the last of it come another way
    () => (came() < 1000 || came() >= 301_000 ? undefined : block.subarray(at))
  )
  const sent = Uint8Array.from({ length: 302_000 }, (_, i) => (i * 7) ^ (i >> 8))
  near.write(sent.subarray(0, 1000))
  await until('the first came', () => came() === 1000)
  near.write(sent.subarray(1000))
  await until('all came', () => came() === sent.byteLength)
  expect(at).toBe(block.byteLength)
  expect(Buffer.compare(block, sent.subarray(1000, 301_000))).toBe(0)
  expect(Buffer.compare(Buffer.concat(told), sent)).toBe(0)
})
