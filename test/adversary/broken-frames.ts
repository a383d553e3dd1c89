/** What is not the protocol: frames that are none, messages at the wrong time, numbers that do not fit. */
import { dataFrameHeader } from '../../src/transfer/protocol/frame.ts'
import { MAX_CONTROL_BYTES } from '../../src/transfer/protocol/limits.ts'
import type { Message } from '../../src/transfer/protocol/messages.ts'
import type { Attack, Target } from './attack.ts'
import type { AttackStream } from './attacker.ts'

function violation(name: string, limit: string, run: (stream: AttackStream, target: Target) => void): Attack {
  return { name, limit, ends: 'protocol', victim: 'seeder', run }
}

/** One message after hello. */
function after(name: string, limit: string, message: (target: Target) => Message): Attack {
  return violation(name, limit, (stream, target) => {
    stream.hello(target.cid, { kind: 'none' })
    stream.say(message(target))
  })
}

/** A frame of any type. @param length as it says itself */
function frame(type: number, length: number, body: Uint8Array = new Uint8Array(0)): Uint8Array {
  const bytes = new Uint8Array(5 + body.byteLength)
  new DataView(bytes.buffer).setUint32(0, length)
  bytes[4] = type
  bytes.set(body, 5)
  return bytes
}

const CONTROL = 0
const UNKNOWN = 9
const NO_MORE_THAN_THE_ROOT = 'pieces below the count of the root'

export const BROKEN_FRAMES: readonly Attack[] = [
  after('a request outside the pieces', 'the piece space', () => ({
    type: 'request',
    id: 1,
    offset: 2 ** 40,
    length: 1
  })),
  after('a have outside the pieces', NO_MORE_THAN_THE_ROOT, ({ pieceCount }) => ({
    type: 'have',
    runs: [{ first: pieceCount, count: 1 }],
    coming: []
  })),
  after('an offer outside the pieces', NO_MORE_THAN_THE_ROOT, ({ pieceCount }) => ({
    type: 'offer',
    pieces: [pieceCount]
  })),
  after('a bitfield of another size', 'one bit a piece', () => ({
    type: 'haveBitfield',
    have: { kind: 'bitfield', bytes: new Uint8Array(4096) }
  })),
  violation('a second hello', 'one hello', (stream, { cid }) => {
    stream.hello(cid, { kind: 'none' })
    stream.hello(cid, { kind: 'none' })
  }),
  violation('a message before hello', 'hello first', stream => stream.say({ type: 'interested' })),
  violation('data before hello', 'hello first', stream => stream.raw(dataFrameHeader(1, 4), new Uint8Array(4))),
  violation('a hello of false numbers', 'MIN_REQUEST_BYTES_IN_FLIGHT', stream => {
    const root = Uint8Array.of(1, 0x55, 0x12, 0x20)
    const numbers = { maxRequests: 1, maxRequestBytes: 1 }
    stream.say({ type: 'hello', root, features: 1, manifest: true, have: { kind: 'none' }, ...numbers })
  }),
  violation('a message that is none', 'wire.proto', (stream, { cid }) => {
    stream.hello(cid, { kind: 'none' })
    stream.raw(frame(CONTROL, 5, Uint8Array.of(0xff, 0xff, 0xff, 0xff)))
  }),
  violation('a frame without a type', 'at least one byte', (stream, { cid }) => {
    stream.hello(cid, { kind: 'none' })
    stream.raw(frame(CONTROL, 0))
  }),
  violation('data that nobody asked for', 'MAX_UNEXPECTED_BYTES', (stream, { cid }) => {
    stream.hello(cid, { kind: 'all' })
    stream.goOn(() => stream.give(77, new Uint8Array(128 * 1024)))
  }),
  {
    ...violation('a huge frame', 'MAX_FRAME_BYTES', (stream, { cid }) => {
      stream.hello(cid, { kind: 'none' })
      stream.raw(frame(CONTROL, 0x7fff_ffff))
    }),
    ends: 'limit'
  },
  {
    ...violation('frames of unknown type without end', 'CONTROL_BURST_BYTES', (stream, { cid }) => {
      stream.hello(cid, { kind: 'none' })
      const body = new Uint8Array(256 * 1024)
      stream.goOn(() => stream.raw(frame(UNKNOWN, body.byteLength + 1, body)))
    }),
    ends: 'limit'
  },
  {
    ...violation('a frame that never ends, a byte at a time', 'MAX_CONTROL_BYTES', (stream, { cid }) => {
      stream.hello(cid, { kind: 'none' })
      stream.raw(frame(CONTROL, MAX_CONTROL_BYTES))
      stream.goOn(() => stream.raw(Uint8Array.of(0)))
    }),
    // it is no more than a silent peer with a buffer of its own
    ends: undefined
  }
]
