/** Streams that never say what they are for: so many of a connection and of all, with either muxer; honest ones get in. */
import { afterEach, describe, expect, it } from 'vitest'
import { MIB } from '../../src/base/units.ts'
import {
  MAX_UNNEGOTIATED,
  MAX_UNNEGOTIATED_BYTES,
  MAX_UNNEGOTIATED_PER_CONNECTION
} from '../../src/node/transport/unnegotiated.ts'
import { FLAG_ACK, FLAG_RST, FLAG_SYN, TYPE_PING, TYPE_WINDOW } from '../../src/node/transport/yamux/frame.ts'
import { STREAM_BURST } from '../../src/node/transport/yamux/limits.ts'
import { addrOf, host, until } from '../node/host/test-hosts.ts'
import { data, line } from './muxer-attacks.ts'
import { type RawConnection, type RawDialer, rawDialer } from './raw-connection.ts'

const PROTOCOL_ERROR = 1
/** Streams that one connection opens: some beyond the limit, and not so many that it is ended for them. */
const TOO_MANY = MAX_UNNEGOTIATED_PER_CONNECTION + 16
/** Bytes on each of them that are no whole name. */
const WAITING = Buffer.concat([line('/multistream/1.0.0'), Uint8Array.of(0x80)])
const CONNECTIONS = 4
/** Streams of one connection that an honest peer may give up at once. */
const MANY_RESET = 400
/** Both sides of four connections and 2048 held streams took 84 MB. */
const MAX_GROWTH_BYTES = 192 * MIB

const dialers: RawDialer[] = []
afterEach(async () => {
  await Promise.all(dialers.splice(0).map(dialer => dialer.stop()))
})

async function dial(addr: string): Promise<RawConnection> {
  const dialer = await rawDialer()
  dialers.push(dialer)
  const connection = await dialer.dial(addr)
  await until('the handshake', () => connection.heard.length > 0)
  return connection
}

const odd = (at: number) => 2 * at + 1
const open = (connection: RawConnection, from: number, to: number) => {
  for (let at = from; at < to; at++) connection.raw(data(odd(at), FLAG_SYN, WAITING))
}
/** Of ours, which are odd: the victim asks who we are, and gives that up after some seconds. */
const resets = ({ heard }: RawConnection) =>
  heard
    .filter(({ type, flags, stream }) => type === TYPE_WINDOW && (flags & FLAG_RST) !== 0 && stream % 2 === 1)
    .map(({ stream }) => stream)

/** All that was sent before has been read: a ping is answered in its turn. */
async function isRead(connection: RawConnection) {
  const ping = { type: TYPE_PING, flags: FLAG_SYN, stream: 0, length: 4711 }
  connection.frame(ping)
  await until('the answer to a ping', () =>
    connection.heard.some(
      ({ type, flags, length }) => type === TYPE_PING && flags === FLAG_ACK && length === ping.length
    )
  )
}

// no stream is reset because its time is up
const victimWith = async (muxer: 'lean' | 'stock') => await host({ muxer, handshakeTimeoutMs: 600_000 })

describe.each(['lean', 'stock'] as const)('with the %s muxer', muxer => {
  it('those beyond the limit of a connection are reset, and then it is ended (MAX_UNNEGOTIATED_PER_CONNECTION)', async () => {
    const victim = await victimWith(muxer)
    const connection = await dial(addrOf(victim))
    open(connection, 0, TOO_MANY)
    const beyond = Array.from({ length: TOO_MANY - MAX_UNNEGOTIATED_PER_CONNECTION }, (_, at) =>
      odd(MAX_UNNEGOTIATED_PER_CONNECTION + at)
    )
    await until('the resets', () => resets(connection).length >= beyond.length)
    expect(resets(connection)).toEqual(beyond)
    expect(connection.isClosed).toBe(false)
    let at = TOO_MANY
    connection.goOn(() => {
      open(connection, at, at + 100)
      at += 100
    })
    await until('the end of the connection', () => connection.isClosed)
    // the stock one says 0
    if (muxer === 'lean') expect(connection.goAway).toBe(PROTOCOL_ERROR)
  })

  it('those of many connections turn out each other, and no honest one (MAX_UNNEGOTIATED)', async () => {
    const victim = await victimWith(muxer)
    await victim.dialer.onStream(() => {})
    const before = process.memoryUsage().rss
    const connections: RawConnection[] = []
    for (let at = 0; at < CONNECTIONS; at++) {
      const connection = await dial(addrOf(victim))
      open(connection, 0, MAX_UNNEGOTIATED_PER_CONNECTION)
      await isRead(connection)
      connections.push(connection)
    }
    const beyond = CONNECTIONS * MAX_UNNEGOTIATED_PER_CONNECTION - MAX_UNNEGOTIATED
    await until('the resets', () => connections.flatMap(resets).length >= beyond)
    expect(connections.map(connection => resets(connection).length)).toEqual(
      connections.map((_, at) => (at * MAX_UNNEGOTIATED_PER_CONNECTION < beyond ? MAX_UNNEGOTIATED_PER_CONNECTION : 0))
    )
    const growth = process.memoryUsage().rss - before
    const honest = await host()
    const peer = { id: victim.peerId, addrs: [addrOf(victim)], seeder: false }
    const stream = await honest.dialer.dial(peer, { signal: AbortSignal.timeout(60_000) })
    stream.abort(new Error('enough'))
    expect(growth).toBeLessThan(MAX_GROWTH_BYTES)
  })

  it('a burst of honest ones is taken', async () => {
    const victim = await victimWith(muxer)
    let came = 0
    await victim.dialer.onStream(() => (came += 1))
    const honest = await host()
    const peer = { id: victim.peerId, addrs: [addrOf(victim)], seeder: false }
    const signal = AbortSignal.timeout(60_000)
    await honest.dialer.dial(peer, { signal })
    const dials = Array.from({ length: 1000 }, async () => await honest.dialer.dial(peer, { signal }))
    await Promise.all(dials)
    await until('all of them', () => came === 1001)
  })
})

it('those that are reset before they have a protocol count as many (NAMELESS_STREAM_COST)', async () => {
  const victim = await victimWith('lean')
  const connection = await dial(addrOf(victim))
  const openAndReset = (from: number, to: number) => {
    for (let at = from; at < to; at++) {
      open(connection, at, at + 1)
      connection.frame({ type: TYPE_WINDOW, flags: FLAG_RST, stream: odd(at), length: 0 })
    }
  }
  openAndReset(0, MANY_RESET)
  open(connection, MANY_RESET, MANY_RESET + 1)
  await until('an answer to the next', () => connection.heard.some(({ stream }) => stream === odd(MANY_RESET)))
  expect(connection.isClosed).toBe(false)
  openAndReset(MANY_RESET + 1, STREAM_BURST / 4)
  await until('the end of the connection', () => connection.isClosed)
  expect(connection.goAway).toBe(PROTOCOL_ERROR)
})

it('one that has said much and not what it is for is reset (MAX_UNNEGOTIATED_BYTES)', async () => {
  const victim = await victimWith('lean')
  const connection = await dial(addrOf(victim))
  const asked = Buffer.concat(Array.from({ length: 10 }, () => line('/x'.padEnd(100, 'x'))))
  connection.raw(data(1, FLAG_SYN, line('/multistream/1.0.0')))
  let bytes = line('/multistream/1.0.0').byteLength
  while (bytes + asked.byteLength <= MAX_UNNEGOTIATED_BYTES) {
    connection.raw(data(1, 0, asked))
    bytes += asked.byteLength
  }
  connection.raw(data(3, FLAG_SYN, WAITING))
  await until('an answer to the next', () => connection.heard.some(({ stream }) => stream === 3))
  expect(resets(connection)).toEqual([])
  connection.raw(data(1, 0, asked))
  await until('the reset', () => resets(connection).includes(1))
  expect(connection.isClosed).toBe(false)
})
