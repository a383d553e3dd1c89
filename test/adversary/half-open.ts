/** TCP connections that go so far and then say nothing more. */
import { connect, type Socket } from 'node:net'
import { multiaddr } from '@multiformats/multiaddr'
import { MAX_FIRST_BYTES } from '../../src/node/transport/first-bytes.ts'
import { keystream } from '../helpers/keystream.ts'

/** multistream-select: a line of text with its length before it. */
const line = (text: string) => Buffer.concat([Uint8Array.of(text.length + 1), Buffer.from(`${text}\n`)])
const HEADER = line('/multistream/1.0.0')
/** A TLS record of a handshake, of 512 bytes, of which the first are there. */
const HALF_A_HELLO = Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc])
/** A noise message of 32 bytes, of which 16 are there. */
const HALF_A_NOISE = Buffer.concat([Uint8Array.of(0, 32), new Uint8Array(16)])

/** How far each goes: the bytes that it sends. */
export const STAGES: ReadonlyArray<{ name: string; bytes: Uint8Array }> = [
  { name: 'nothing', bytes: new Uint8Array(0) },
  { name: 'half a line', bytes: HEADER.subarray(0, 7) },
  { name: 'multistream', bytes: HEADER },
  { name: 'a length without a line', bytes: Buffer.concat([HEADER, Uint8Array.of(0x7f)]) },
  { name: 'TLS agreed on', bytes: Buffer.concat([HEADER, line('/tls/1.0.0')]) },
  { name: 'half a TLS hello', bytes: Buffer.concat([HEADER, line('/tls/1.0.0'), HALF_A_HELLO]) },
  { name: 'noise agreed on', bytes: Buffer.concat([HEADER, line('/noise')]) },
  { name: 'half a noise handshake', bytes: Buffer.concat([HEADER, line('/noise'), HALF_A_NOISE]) }
]

/** What ends a handshake at once. */
export const NONSENSE: ReadonlyArray<{ name: string; bytes: Uint8Array }> = [
  {
    name: 'an HTTP request',
    bytes: Buffer.from('GET / HTTP/1.1\r\nHost: example\r\nUser-Agent: somebody who took this for another port\r\n\r\n')
  },
  {
    name: 'random bytes',
    bytes: Buffer.concat([Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0xff), keystream(4096, 'random bytes')])
  },
  { name: 'a length that never ends', bytes: Buffer.alloc(2 * MAX_FIRST_BYTES, 0xff) },
  {
    name: 'more than names of encryptions',
    bytes: Buffer.concat([HEADER, ...Array.from({ length: 2000 }, () => line('/none/1.0.0'))])
  },
  { name: 'an unknown TLS record', bytes: Buffer.concat([HEADER, line('/tls/1.0.0'), Buffer.alloc(64, 0xee)]) }
]

export interface HalfOpen {
  readonly socket: Socket
  isClosed: boolean
}

/** @param addr where the victim listens @param localAddress from which of the machine's own addresses */
export async function halfOpen(addr: string, bytes: Uint8Array, localAddress = '127.0.0.1'): Promise<HalfOpen> {
  const port = Number(
    multiaddr(addr)
      .getComponents()
      .find(({ name }) => name === 'tcp')?.value
  )
  const socket = connect({ host: '127.0.0.1', port, localAddress })
  const made: HalfOpen = { socket, isClosed: false }
  socket.on('error', () => {})
  socket.on('data', () => {})
  socket.on('close', () => {
    made.isClosed = true
  })
  await new Promise<void>(resolve => {
    socket.once('connect', resolve)
    socket.once('close', () => resolve())
  })
  if (bytes.byteLength > 0) socket.write(bytes)
  return made
}
