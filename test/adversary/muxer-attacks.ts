/** What can be done to a connection below its streams. */
import {
  encodeHeader,
  FLAG_RST,
  FLAG_SYN,
  INITIAL_WINDOW_BYTES,
  TYPE_DATA,
  TYPE_PING,
  TYPE_WINDOW
} from '../../src/node/transport/yamux/frame.ts'
import type { RawConnection } from './raw-connection.ts'

export interface MuxerAttack {
  readonly name: string
  readonly limit: string
  /** Whether the connection is ended for it; else the attacker may stay. */
  readonly isEnded: boolean
  run(connection: RawConnection): void
}

const IN_A_WRITE = 2000

/** As the dialer, whose streams are odd. @param frames of the n-th stroke */
function flood(name: string, limit: string, frames: (n: number) => readonly Uint8Array[]): MuxerAttack {
  return {
    ...{ name, limit, isEnded: true },
    run: connection => {
      let n = 0
      connection.goOn(() => {
        connection.raw(Buffer.concat(Array.from({ length: IN_A_WRITE }, () => frames(n++)).flat()))
      })
    }
  }
}

const window = (stream: number, flags: number, length = 0) => encodeHeader({ type: TYPE_WINDOW, flags, stream, length })
export const data = (stream: number, flags: number, payload: Uint8Array) =>
  Buffer.concat([encodeHeader({ type: TYPE_DATA, flags, stream, length: payload.byteLength }), payload])

/** multistream-select: a line of text with its length before it. */
export const line = (text: string) => Buffer.concat([Uint8Array.of(text.length + 1), Buffer.from(`${text}\n`)])

export const MUXER_ATTACKS: readonly MuxerAttack[] = [
  flood('streams that are opened and reset', 'STREAM_BURST', n => [
    window(2 * n + 1, FLAG_SYN),
    window(2 * n + 1, FLAG_RST)
  ]),
  flood('streams that are opened and left', 'MAX_UNNEGOTIATED_PER_CONNECTION', n => [window(2 * n + 1, FLAG_SYN)]),
  flood('streams that begin to say what they are for', 'MAX_UNNEGOTIATED_PER_CONNECTION', n => [
    data(2 * n + 1, FLAG_SYN, Buffer.concat([line('/multistream/1.0.0'), line('/shoal/swarm/1.0.0').subarray(0, 9)]))
  ]),
  flood('streams for a protocol that nobody speaks', 'MAX_UNNEGOTIATED_PER_CONNECTION', n => [
    data(2 * n + 1, FLAG_SYN, Buffer.concat([line('/multistream/1.0.0'), line('/x')]))
  ]),
  flood('pings', 'PING_BURST', n => [encodeHeader({ type: TYPE_PING, flags: FLAG_SYN, stream: 0, length: n })]),
  flood('window updates', 'SMALL_FRAME_BURST', () => [window(99_999, 0, 1)]),
  flood('window updates of an open stream', 'SMALL_FRAME_BURST', n => [window(1, n === 0 ? FLAG_SYN : 0, 1)]),
  flood('resets of streams that never were', 'SMALL_FRAME_BURST', n => [window(2 * n + 1, FLAG_RST)]),
  flood('data frames of one byte', 'SMALL_FRAME_BURST', () => [data(99_999, 0, Uint8Array.of(1))]),
  flood('data frames of nothing', 'SMALL_FRAME_BURST', () => [data(99_999, 0, new Uint8Array(0))]),
  {
    ...{ name: 'more than was granted', limit: 'INITIAL_WINDOW_BYTES', isEnded: true },
    run: connection => connection.raw(data(1, FLAG_SYN, new Uint8Array(INITIAL_WINDOW_BYTES + 1)))
  },
  {
    ...{ name: 'a stream of nobody and then silence', limit: 'handshakeTimeoutMs', isEnded: false },
    run: connection => connection.raw(data(1, FLAG_SYN, line('/multistream/1.0.0')))
  },
  {
    // each is answered, until these are too many bytes
    ...{ name: 'protocols that nobody speaks, asked for without end', limit: 'MAX_UNNEGOTIATED_BYTES', isEnded: false },
    run: connection => {
      connection.raw(data(1, FLAG_SYN, line('/multistream/1.0.0')))
      const asked = Buffer.concat(Array.from({ length: 100 }, () => line('/x')))
      connection.goOn(() => connection.raw(data(1, 0, asked)))
    }
  }
]
