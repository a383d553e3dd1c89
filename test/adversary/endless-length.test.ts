/** Messages with a length that never ends, on streams that libp2p reads byte by byte until it does. */
import { afterEach, expect, it } from 'vitest'
import { KAD_PROTOCOL } from '../../src/dht/kad.ts'
import { FLAG_RST, FLAG_SYN, type FrameHeader, TYPE_DATA, TYPE_WINDOW } from '../../src/node/transport/yamux/frame.ts'
import { addrOf, host, until } from '../node/host/test-hosts.ts'
import { data, line } from './muxer-attacks.ts'
import { type RawConnection, type RawDialer, rawDialer } from './raw-connection.ts'

let dialer: RawDialer | undefined
afterEach(() => dialer?.stop())

async function open(protocol: string): Promise<RawConnection> {
  const victim = await host()
  dialer = await rawDialer()
  const connection = await dialer.dial(addrOf(victim))
  await until('the handshake', () => connection.heard.length > 0)
  connection.raw(data(1, FLAG_SYN, Buffer.concat([line('/multistream/1.0.0'), line(protocol)])))
  await until('the answer', () => answered(connection) > protocol.length)
  return connection
}

const ofOurs = ({ heard }: RawConnection) => heard.filter(({ stream }) => stream === 1)
const isReset = ({ type, flags }: FrameHeader) => type === TYPE_WINDOW && (flags & FLAG_RST) !== 0
const answered = (connection: RawConnection) =>
  ofOurs(connection).reduce((sum, { type, length }) => sum + (type === TYPE_DATA ? length : 0), 0)

it.each([KAD_PROTOCOL, '/ipfs/id/push/1.0.0'])('such a stream of %s is reset, the connection stays', async protocol => {
  const connection = await open(protocol)
  connection.raw(data(1, 0, Buffer.alloc(5, 0xff)))
  await until('the reset', () => ofOurs(connection).some(isReset))
  expect(connection.isClosed).toBe(false)
})

it('where messages have no length, such bytes are as good as any', async () => {
  const connection = await open('/ipfs/ping/1.0.0')
  const before = answered(connection)
  connection.raw(data(1, 0, Buffer.alloc(32, 0xff)))
  await until('the echo', () => answered(connection) === before + 32)
  expect(ofOurs(connection).some(isReset)).toBe(false)
})
