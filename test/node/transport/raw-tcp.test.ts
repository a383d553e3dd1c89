import { Socket } from 'node:net'
import { multiaddrConnectionPair } from '@libp2p/utils'
import { expect, test } from 'vitest'
import { rawTcp } from '../../../src/node/transport/raw-tcp.ts'
import { until } from '../host/test-hosts.ts'
import { tcpPair, tcpServer } from './tcp-pair.ts'

test('the pinned @libp2p/tcp still has its socket where it is looked for, on both sides', async () => {
  const { dialer, listener } = await tcpPair()
  for (const side of [dialer, listener]) expect(rawTcp(side)?.socket).toBeInstanceOf(Socket)
})

test('what is no plain TCP connection has none', async () => {
  const { dialer } = await tcpPair()
  const hidden = Object.create(dialer, { sendClose: { value: undefined } })
  const other = Object.create(dialer, { socket: { value: {} } })
  for (const stream of [...multiaddrConnectionPair(), hidden, other]) expect(rawTcp(stream)).toBeUndefined()
})

const owner = { close: async () => {}, isEnding: false }

test('bytes that nobody took go back into the socket, in order', async () => {
  const server = await tcpServer()
  const [socket, connection] = [await server.socket(), await server.accepted()]
  socket.write('first')
  await until('it came', () => connection.readBufferLength === 5)
  const raw = rawTcp(connection)
  raw?.handOver(owner)
  expect(connection.readBufferLength).toBe(0)
  expect(String(raw?.socket.read())).toBe('first')
  // and from now on nothing comes to the connection
  let came = 0
  connection.addEventListener('message', () => came++)
  socket.write('second')
  await until('it came', () => raw?.socket.readableLength === 6)
  expect(String(raw?.socket.read())).toBe('second')
  expect(came).toBe(0)
})

test('sent() waits until all is written, and gives up with the signal or the connection', async () => {
  const server = await tcpServer()
  const [socket, connection] = [await server.socket(), await server.accepted()]
  socket.pause()
  const raw = rawTcp(connection)
  await raw?.sent(AbortSignal.timeout(30_000))
  const SIZE = 32 << 20
  for (let sent = 0; sent < SIZE; sent += 1 << 20) connection.send(new Uint8Array(1 << 20))
  expect(connection.writeBufferLength).toBeGreaterThan(0)
  const controller = new AbortController()
  const cut = raw?.sent(controller.signal)
  controller.abort(new Error('enough'))
  await expect(cut).rejects.toThrow('enough')
  const whole = raw?.sent(new AbortController().signal)
  let got = 0
  socket.on('data', data => {
    got += data.byteLength
  })
  socket.resume()
  await whole
  expect(connection.writeBufferLength).toBe(0)
  await until('it arrived', () => got === SIZE)
  socket.pause()
  for (let sent = 0; sent < SIZE; sent += 1 << 20) connection.send(new Uint8Array(1 << 20))
  const ended = raw?.sent(new AbortController().signal)
  connection.abort(new Error('gone'))
  await expect(ended).rejects.toMatchObject({ code: 'ERR_UNREACHABLE' })
})
