import { createHash, randomBytes } from 'node:crypto'
import { Duplex } from 'node:stream'
import { type ConnectionOptions, createSecureContext, TLSSocket, connect as tlsConnect } from 'node:tls'
import { yamux } from '@chainsafe/libp2p-yamux'
import { generateKeyPair } from '@libp2p/crypto/keys'
import type { MessageStream, SecuredConnection, StreamMuxerFactory } from '@libp2p/interface'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { tcp } from '@libp2p/tcp'
import { tls as stockTls } from '@libp2p/tls'
import { multiaddrConnectionPair } from '@libp2p/utils'
import { createLibp2p, type Libp2p } from 'libp2p'
import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { isDirectStream } from '../../../../src/node/transport/direct-stream.ts'
import { rawTcp } from '../../../../src/node/transport/raw-tcp.ts'
import { nativeTls } from '../../../../src/node/transport/tls/native-tls.ts'
import { leanYamux } from '../../../../src/node/transport/yamux/yamux.ts'
import { LOOPBACK, until } from '../../host/test-hosts.ts'
import { tcpPair, tcpServer } from '../tcp-pair.ts'
import { flipped, forge, NOW } from './forge.ts'

const MUXER = '/test-muxer/1'
const muxers = new Map<string, StreamMuxerFactory>([[MUXER, { protocol: MUXER } as StreamMuxerFactory]])

/** An encrypter as a node has it. */
async function encrypter(make: typeof nativeTls = nativeTls) {
  const privateKey = await generateKeyPair('Ed25519')
  const upgrader = { getStreamMuxers: () => muxers }
  const [{ log }] = multiaddrConnectionPair()
  const components = { privateKey, upgrader, logger: { forComponent: () => log } }
  return { peer: peerIdFromPrivateKey(privateKey), tls: make()(components) }
}

async function secured(
  ends?: [MessageStream, MessageStream],
  makers: [typeof nativeTls, typeof nativeTls] = [nativeTls, nativeTls]
) {
  const [near, far] = await Promise.all(makers.map(make => encrypter(make)))
  if (near === undefined || far === undefined) throw new Error('no encrypters')
  const { dialer, listener } =
    ends === undefined ? await tcpPair() : { dialer: ends[0] as MessageStream, listener: ends[1] as MessageStream }
  const [dialled, accepted] = await Promise.all([near.tls.secureOutbound(dialer), far.tls.secureInbound(listener)])
  expect(dialled.remotePeer.toString()).toBe(far.peer.toString())
  expect(accepted.remotePeer.toString()).toBe(near.peer.toString())
  return { dialer, listener, dialled, accepted, near: dialled.connection, far: accepted.connection }
}

const sha = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')
const stock = stockTls as unknown as typeof nativeTls

/** Resolves when so many bytes came. */
function received(stream: MessageStream, length: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Uint8Array[] = []
    let got = 0
    stream.addEventListener('message', ({ data }) => {
      chunks.push(data.subarray().slice())
      got += data.byteLength
      if (got >= length) resolve(Buffer.concat(chunks))
    })
    stream.addEventListener('close', ({ error }) =>
      reject(error ?? new Error(`closed after ${got} of ${length} bytes`))
    )
  })
}

async function send(stream: MessageStream, bytes: Uint8Array, chunk: number): Promise<void> {
  for (let at = 0; at < bytes.byteLength; at += chunk) {
    if (!stream.send(bytes.subarray(at, at + chunk)))
      await new Promise(go => stream.addEventListener('drain', go, { once: true }))
  }
}

const closed = (stream: MessageStream) =>
  new Promise<Error | undefined>(resolve =>
    stream.addEventListener('close', ({ error }) => resolve(error), { once: true })
  )

describe('nodes', () => {
  const nodes: Libp2p[] = []
  afterEach(async () => {
    await Promise.all(nodes.splice(0).map(node => node.stop()))
  })

  async function node(make: typeof nativeTls, muxer: typeof yamux): Promise<Libp2p> {
    const made = await createLibp2p({
      addresses: { listen: [LOOPBACK] },
      transports: [tcp()],
      connectionEncrypters: [make()],
      streamMuxers: [muxer()],
      connectionMonitor: { enabled: false },
      connectionManager: { inboundConnectionThreshold: 1_000 }
    })
    nodes.push(made)
    return made
  }
  const lean = leanYamux as unknown as typeof yamux

  test.each([
    ['ours', '@libp2p/tls', nativeTls, stock, yamux],
    ['@libp2p/tls', 'ours', stock, nativeTls, yamux],
    ['ours', 'ours', nativeTls, nativeTls, yamux],
    ['ours and our yamux', '@libp2p/tls', nativeTls, stock, lean],
    ['@libp2p/tls', 'ours and our yamux', stock, nativeTls, lean]
  ])('%s dials %s, and megabytes come back as they went', async (_from, _to, near, far, muxer) => {
    const [dialer, listener] = [await node(near, muxer), await node(far, muxer)]
    await listener.handle('/echo/1', stream => {
      stream.addEventListener('message', ({ data }) => stream.send(data))
    })
    const connection = await dialer.dial(listener.getMultiaddrs())
    expect(connection.encryption).toBe('/tls/1.0.0')
    expect(connection.remotePeer.toString()).toBe(listener.peerId.toString())
    const stream = await connection.newStream('/echo/1')
    const bytes = randomBytes(5_000_000)
    const back = received(stream, bytes.byteLength)
    const sizes = [1, 9, 16_384, 16_385, 70_001, 131_072]
    for (let at = 0, i = 0; at < bytes.byteLength; i++) {
      const size = sizes[i % sizes.length] ?? 1
      if (!stream.send(bytes.subarray(at, at + size)))
        await new Promise(go => stream.addEventListener('drain', go, { once: true }))
      at += size
    }
    expect(sha(await back)).toBe(sha(bytes))
  })

  test('a connection that is ended in the very breath of its handshake ends the connection, not the process', async () => {
    const [dialer, listener] = [await node(nativeTls, lean), await node(nativeTls, lean)]
    for (let i = 0; i < 40; i++) {
      const connection = await dialer.dial(listener.getMultiaddrs(), { force: true })
      if (i % 2 === 0) connection.abort(new Error('no'))
      else await connection.close()
    }
    await until('all are gone', () => listener.getConnections().length === 0)
  })

  test('another peer than was dialled is an error that says so', async () => {
    const [dialer, listener] = [await node(nativeTls, lean), await node(nativeTls, lean)]
    const [addr] = listener.getMultiaddrs()
    const { peer } = await encrypter()
    const wrong = addr?.decapsulate('/p2p').encapsulate(`/p2p/${peer}`)
    await expect(dialer.dial(wrong ?? [])).rejects.toThrow(/does not match expected remote identity/)
  })
})

describe.each([
  ['on the socket', undefined],
  ['over a stream', () => multiaddrConnectionPair() as [MessageStream, MessageStream]]
])('%s', (_where, pair) => {
  test.each([
    ['ours', 'ours', nativeTls, nativeTls],
    ['ours', '@libp2p/tls', nativeTls, stock],
    ['@libp2p/tls', 'ours', stock, nativeTls]
  ])('%s with %s: the muxer is agreed on in the handshake, and both directions carry', async (_a, _b, near, far) => {
    const both = await secured(pair?.(), [near, far])
    expect([both.dialled.streamMuxer?.protocol, both.accepted.streamMuxer?.protocol]).toEqual([MUXER, MUXER])
    const [there, back] = [randomBytes(3_000_001), randomBytes(2_000_003)]
    const [got, gotBack] = [received(both.far, there.byteLength), received(both.near, back.byteLength)]
    await Promise.all([send(both.near, there, 100_000), send(both.far, back, 7_777)])
    expect(sha(await got)).toBe(sha(there))
    expect(sha(await gotBack)).toBe(sha(back))
  })

  test('abort on one side is an error on the other', async () => {
    const { near, far, dialer, listener } = await secured(pair?.())
    const [end, below] = [closed(far), closed(listener)]
    near.abort(new Error('enough'))
    expect(await end).toBeInstanceOf(Error)
    await below
    expect([near.status, dialer.status]).toEqual(['aborted', 'aborted'])
  })

  test('what is sent to a closed stream is an error', async () => {
    const { near } = await secured(pair?.())
    await near.close()
    expect(() => near.send(Uint8Array.of(1))).toThrow()
  })

  test('close delivers what is queued, then ends the other side without an error', async () => {
    const { near, far } = await secured(pair?.())
    const bytes = randomBytes(4_000_000)
    const [got, end] = [received(far, bytes.byteLength), closed(far)]
    near.send(bytes)
    await near.close()
    expect(sha(await got)).toBe(sha(bytes))
    expect(await end).toBeUndefined()
  })

  test('a paused side takes no more than its buffers, and all when it goes on', async () => {
    const { near, far } = await secured(pair?.())
    let got = 0
    far.addEventListener('message', ({ data }) => {
      got += data.byteLength
    })
    far.pause()
    const SIZE = 64 << 20
    let sent = 0
    while (sent < SIZE) {
      sent += 1 << 20
      if (!near.send(new Uint8Array(1 << 20))) {
        const drained = await Promise.race([
          new Promise(go => near.addEventListener('drain', () => go(true), { once: true })),
          new Promise(go => setTimeout(() => go(false), 300))
        ])
        if (drained === false) break
      }
    }
    expect(sent).toBeLessThan(SIZE)
    expect(got).toBe(0)
    expect(far.readBufferLength).toBeLessThan(4 << 20)
    far.resume()
    await until('all came', () => got === sent)
  })

  test('direct chunks: what was buffered comes first, in order, and no event beside it', async () => {
    const { near, far } = await secured(pair?.())
    if (!isDirectStream(near) || !isDirectStream(far)) throw new Error('not direct')
    const bytes = randomBytes(1_000_000)
    near.sendChunks([bytes.subarray(0, 5), bytes.subarray(5, 50_000)])
    await until('it waits', () => far.readBufferLength === 50_000)
    const chunks: Uint8Array[] = []
    let events = 0
    far.onChunk = chunk => chunks.push(chunk.slice())
    far.addEventListener('message', () => events++)
    near.sendChunks([bytes.subarray(50_000, 700_000), bytes.subarray(700_000)])
    await until('all came', () => chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0) === bytes.byteLength)
    expect(sha(Buffer.concat(chunks))).toBe(sha(bytes))
    expect(events).toBe(0)
    far.pause()
    near.sendChunks([Uint8Array.of(1)])
    far.resume()
    await until('the last byte', () => chunks.at(-1)?.byteLength === 1)
  })
})

test('who negotiates the muxer elsewhere is told none', async () => {
  const [near, far] = [await encrypter(), await encrypter()]
  const { dialer, listener } = await tcpPair()
  const [dialled, accepted] = await Promise.all([
    near.tls.secureOutbound(dialer, { skipStreamMuxerNegotiation: true }),
    far.tls.secureInbound(listener)
  ])
  expect([dialled.streamMuxer, accepted.streamMuxer]).toEqual([undefined, undefined])
})

describe('the connection below', () => {
  test('its close() writes out what TLS has queued', async () => {
    const { near, far, dialer } = await secured()
    const bytes = randomBytes(8_000_000)
    const got = received(far, bytes.byteLength)
    // the first write is with OpenSSL at once, the others wait for it
    for (let at = 0; at < bytes.byteLength; at += 100_000) near.send(bytes.subarray(at, at + 100_000))
    await dialer.close()
    expect(sha(await got)).toBe(sha(bytes))
    expect(near.status).toBe('closed')
  })

  test('inactivity is counted over both layers', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    onTestFinished(() => void vi.useRealTimers())
    const { dialer, listener } = await tcpPair({ inactivityMs: 60_000 })
    const sockets = [dialer, listener].map(connection => rawTcp(connection)?.socket)
    const { near, far } = await secured([dialer, listener])
    // the runtime's own, which no fake timer stands for, is off
    expect(sockets.map(socket => socket?.timeout)).toEqual([0, 0])
    let got = 0
    far.addEventListener('message', ({ data }) => {
      got += data.byteLength
    })
    const end = closed(far)
    for (let sent = 1; sent <= 8; sent++) {
      near.send(Uint8Array.of(sent))
      await until('it came', () => got === sent)
      vi.advanceTimersByTime(45_000)
    }
    expect([near.status, far.status]).toEqual(['open', 'open'])
    // it is found late by a quarter at the most
    vi.advanceTimersByTime(75_000)
    await end
  })

  test('nothing is left when both have ended', async () => {
    const count = () => process.getActiveResourcesInfo().filter(type => /TCPSocket|TLS|Timeout/.test(type)).length
    const before = count()
    for (const end of ['close', 'abort'] as const) {
      const { near, far, listener } = await secured()
      const gone = [closed(far), closed(listener)]
      if (end === 'close') await near.close()
      else near.abort(new Error('enough'))
      await Promise.all(gone)
    }
    await until('handles are gone', () => count() <= before)
  })
})

/** Our listener, and a TLS client of Node's that may do anything. */
async function strangerDials(
  options: (proper: Awaited<ReturnType<typeof forge>>) => ConnectionOptions | Promise<ConnectionOptions>
): Promise<SecuredConnection> {
  const server = await tcpServer()
  const [socket, connection] = [await server.socket(), await server.accepted()]
  const { tls } = await encrypter()
  const stranger = tlsConnect({
    rejectUnauthorized: false,
    socket,
    ALPNProtocols: ['libp2p'],
    ...(await options(await forge()))
  })
  stranger.on('error', () => {})
  return tls.secureInbound(connection, { signal: AbortSignal.timeout(30_000) })
}

describe('a stranger', () => {
  test('with a proper certificate is let in', async () => {
    await expect(strangerDials(({ cert, key }) => ({ cert, key }))).resolves.toBeDefined()
  })

  test.each<[string, Parameters<typeof strangerDials>[0], RegExp]>([
    ['without a certificate', () => ({}), /no certificate/],
    [
      'with two certificates',
      async ({ cert, key }) => ({ cert: cert + (await forge()).cert, key }),
      /more than one certificate/
    ],
    ['with an expired one', async () => forge({ notAfter: NOW - 60_000 }), /expired/],
    ['without the extension', async () => forge({ extensions: () => [] }), /no libp2p extension/],
    [
      'with a wrong signature of the host',
      async () => forge({ extensions: own => [{ ...own, value: flipped(own.value, own.value.length - 2) }] }),
      /did not sign/
    ],
    ['that speaks TLS 1.2', ({ cert, key }) => ({ cert, key, maxVersion: 'TLSv1.2' }), /handshake failed/],
    ['that wants another protocol', ({ cert, key }) => ({ cert, key, ALPNProtocols: ['h2'] }), /handshake failed/]
  ])('%s is refused', async (_what, options, message) => {
    await expect(strangerDials(options)).rejects.toThrow(message)
  })

  test('that listens, with two certificates, is refused too', async () => {
    const { dialer, listener } = await tcpPair()
    const [one, two] = [await forge(), await forge()]
    const duplex = pipeTo(listener)
    const secureContext = createSecureContext({ cert: one.cert + two.cert, key: one.key, minVersion: 'TLSv1.3' })
    const server = new TLSSocket(duplex as never, {
      isServer: true,
      requestCert: true,
      rejectUnauthorized: false,
      secureContext
    })
    server.on('error', () => {})
    await expect((await encrypter()).tls.secureOutbound(dialer)).rejects.toThrow(/more than one certificate/)
  })

  test.each([
    ['garbage', Buffer.from('GET / HTTP/1.1\r\n\r\n')],
    ['random bytes', randomBytes(5_000)],
    ['a record that is too long', Buffer.from([22, 3, 1, 255, 255, 1, 2, 3])]
  ])('that sends %s is refused', async (_what, bytes) => {
    const server = await tcpServer()
    const [socket, connection] = [await server.socket(), await server.accepted()]
    socket.write(bytes)
    await expect((await encrypter()).tls.secureInbound(connection)).rejects.toMatchObject({ code: 'ERR_UNREACHABLE' })
    expect(connection.status).toBe('aborted')
  })

  test.each(['end', 'destroy', 'resetAndDestroy'] as const)(
    'that leaves in mid-handshake by %s is noticed',
    async how => {
      const { hello } = await clientHello()
      const server = await tcpServer()
      const [socket, connection] = [await server.socket(), await server.accepted()]
      const ours = (await encrypter()).tls.secureInbound(connection, { signal: AbortSignal.timeout(30_000) })
      socket.write(hello.subarray(0, 100), () => socket[how]())
      await expect(ours).rejects.toMatchObject({ code: 'ERR_UNREACHABLE' })
      await until('the connection ended', () => connection.status !== 'open')
    }
  )

  test('that never ends its handshake is cut by the signal, on either side', async () => {
    const server = await tcpServer()
    for (const side of ['secureInbound', 'secureOutbound'] as const) {
      const [socket, connection] = [await server.socket(), await server.accepted()]
      const controller = new AbortController()
      const ours = (await encrypter()).tls[side](connection, { signal: controller.signal })
      const gone = new Promise(resolve => socket.resume().once('close', resolve))
      setImmediate(() => controller.abort(new Error('too slow')))
      await expect(ours).rejects.toThrow('too slow')
      await gone
      expect(connection.status).toBe('aborted')
    }
  })

  test('a signal that has fired already', async () => {
    const { dialer } = await tcpPair()
    const signal = AbortSignal.abort(new Error('before'))
    await expect((await encrypter()).tls.secureOutbound(dialer, { signal })).rejects.toThrow('before')
  })

  test('that sends one byte at a time gets through', async () => {
    const server = await tcpServer()
    const [socket, connection] = [await server.socket(), await server.accepted()]
    socket.setNoDelay(true)
    const slow = new Duplex({
      read: () => {},
      write: async (chunk: Buffer, _encoding, done) => {
        for (const byte of chunk) {
          socket.write(Uint8Array.of(byte))
          await new Promise(resolve => setImmediate(resolve))
        }
        done()
      }
    })
    socket.on('data', data => slow.push(data))
    const { cert, key } = await forge()
    const client = tlsConnect({ socket: slow, rejectUnauthorized: false, ALPNProtocols: ['libp2p'], cert, key })
    const { connection: stream } = await (await encrypter()).tls.secureInbound(connection)
    const got = received(stream, 5)
    client.write('hello')
    expect(String(await got)).toBe('hello')
    client.destroy()
  })
})

describe('the handover of the socket', () => {
  test('bytes that came before lose nothing, wherever they are cut', async () => {
    const cuts = [0, 1, 4, 5, 6, 43, 100, 200]
    for (const cut of cuts) {
      const server = await tcpServer()
      const [socket, connection] = [await server.socket(), await server.accepted()]
      const { hello, rest } = await clientHello()
      socket.write(hello.subarray(0, cut))
      await until('the first part came', () => connection.readBufferLength === cut)
      const ours = (await encrypter()).tls.secureInbound(connection, { signal: AbortSignal.timeout(30_000) })
      socket.write(hello.subarray(cut))
      rest(socket)
      const { connection: stream } = await ours
      expect(String(await received(stream, 5)), `cut after ${cut} bytes`).toBe('hello')
    }
  })

  test('bytes that are still to be sent go ahead of the handshake', async () => {
    const { dialer, listener } = await tcpPair()
    const before = randomBytes(16 << 20)
    listener.pause()
    for (let at = 0; at < before.byteLength; at += 1 << 20) dialer.send(before.subarray(at, at + (1 << 20)))
    expect(dialer.writeBufferLength).toBeGreaterThan(0)
    const [near, far] = [await encrypter(), await encrypter()]
    const dialled = near.tls.secureOutbound(dialer, { signal: AbortSignal.timeout(30_000) })
    const chunks: Uint8Array[] = []
    let got = 0
    await new Promise<void>(resolve => {
      const take = ({ data }: { data: { byteLength: number; subarray(): Uint8Array } }) => {
        chunks.push(data.subarray().slice())
        got += data.byteLength
        if (got < before.byteLength) return
        listener.removeEventListener('message', take)
        resolve()
      }
      listener.addEventListener('message', take)
      listener.resume()
    })
    const all = Buffer.concat(chunks)
    expect(sha(all.subarray(0, before.byteLength))).toBe(sha(before))
    if (all.byteLength > before.byteLength) listener.unshift(all.subarray(before.byteLength))
    const accepted = far.tls.secureInbound(listener)
    expect((await dialled).remotePeer.toString()).toBe(far.peer.toString())
    await accepted
  })
})

/** The first flight of a proper client, and what carries on with it over a socket; says `hello` then. */
async function clientHello() {
  const { cert, key } = await forge()
  let out: (bytes: Buffer) => void = () => {}
  const first = new Promise<Buffer>(resolve => {
    out = resolve
  })
  const wire = new Duplex({
    read: () => {},
    write: (chunk: Buffer, _encoding, done) => {
      out(chunk)
      done()
    }
  })
  const client = tlsConnect({ socket: wire, rejectUnauthorized: false, ALPNProtocols: ['libp2p'], cert, key })
  client.on('error', () => {})
  client.once('secureConnect', () => client.write('hello'))
  const hello = await first
  return {
    hello,
    rest: (socket: NodeJS.WritableStream & NodeJS.ReadableStream) => {
      out = bytes => socket.write(bytes)
      socket.on('data', data => wire.push(data))
    }
  }
}

/** A stream of Node's over a libp2p connection, without what ours does beyond that. */
function pipeTo(connection: MessageStream): Duplex {
  const duplex = new Duplex({
    read: () => {},
    write: (chunk: Buffer, _encoding, done) => {
      connection.send(chunk)
      done()
    }
  })
  connection.addEventListener('message', ({ data }) => duplex.push(data.subarray()))
  return duplex
}
