/** What comes over a swarm stream: frames, and the messages in them. */
import { isDeepStrictEqual } from 'node:util'
import { ShoalError } from '../../src/base/errors.ts'
import { decodeMessage, encodeMessage } from '../../src/transfer/protocol/codec.ts'
import { dataFrameHeader, encodeControlFrame, FrameDecoder } from '../../src/transfer/protocol/frame.ts'
import * as limits from '../../src/transfer/protocol/limits.ts'
import type { Message } from '../../src/transfer/protocol/messages.ts'
import { claim, orDeclared, type Target, utf8 } from '../target.ts'
import { exampleMessages } from './example-messages.ts'

const PEER_FAULTS = ['ERR_PROTOCOL', 'ERR_LIMIT'] as const

interface Cut {
  /** Bodies of control frames and payload of data frames, in order, payload joined. */
  events: Array<{ id: number | undefined; bytes: Buffer }>
  code: string | undefined
}

/** The first byte says how the others are split. */
export const frames: Target = {
  name: 'frames',
  claims: 'any split gives the same frames or the same declared error; nothing is handed out that did not come',
  maxBytes: 4_096,
  seeds: () => [
    Buffer.concat([Uint8Array.of(3), ...exampleMessages().map(encodeControlFrame)]),
    Buffer.concat([Uint8Array.of(1), dataFrameHeader(7, 5), utf8('hello'), Uint8Array.of(0, 0, 0, 3, 9, 1, 2)]),
    Uint8Array.of(0, 0, 0, 0, 1, 0),
    Uint8Array.of(0, 0, 0, 0, 0, 0)
  ],
  run: input => {
    const stream = input.subarray(1)
    const whole = cut(stream, stream.byteLength)
    const split = cut(stream, 1 + (input[0] ?? 0))
    claim(isDeepStrictEqual(whole, split), 'a split changes what is read')
    const given = whole.events.reduce((sum, event) => sum + event.bytes.byteLength, 0)
    claim(given <= stream.byteLength, `${given} bytes were made of ${stream.byteLength}`)
  }
}

function cut(stream: Uint8Array, step: number): Cut {
  const events: Cut['events'] = []
  let open = false
  const decoder = new FrameDecoder({
    onControl: bytes => {
      claim(bytes.byteLength <= limits.MAX_CONTROL_BYTES, 'a control body over its limit')
      events.push({ id: undefined, bytes: Buffer.from(bytes) })
    },
    onData: (id, chunk, last) => {
      const before = open ? events.pop() : undefined
      const bytes = Buffer.concat([before?.bytes ?? Buffer.alloc(0), chunk])
      claim(bytes.byteLength <= limits.MAX_DATA_BYTES, 'a data frame over its limit')
      claim(before === undefined || before.id === id, 'a data frame that changes its request')
      events.push({ id, bytes })
      open = !last
    }
  })
  try {
    for (let at = 0; at < stream.byteLength; at += Math.max(1, step)) {
      decoder.push(stream.subarray(at, at + Math.max(1, step)))
    }
    return { events, code: undefined }
  } catch (err) {
    if (!(err instanceof ShoalError) || !PEER_FAULTS.some(code => code === err.code)) throw err
    // so far as whole frames go: what came of a broken frame before it broke depends on the split
    return { events, code: err.code }
  }
}

export const messages: Target = {
  name: 'messages',
  claims: 'a message within its limits, or a declared error; encoding what was decoded gives the same message',
  maxBytes: 16_384,
  seeds: () => exampleMessages().map(encodeMessage),
  run: input => {
    const message = orDeclared(PEER_FAULTS, () => decodeMessage(input))
    if (message === undefined) return
    checkBounds(message)
    const bytes = encodeMessage(message)
    const again = decodeMessage(bytes)
    claim(again !== undefined, 'a known message became an unknown one')
    claim(Buffer.compare(encodeMessage(again), bytes) === 0, 'a message changes when it is encoded')
    // the text of a goodbye is cut to ASCII on its way out
    if (message.type !== 'goodbye') claim(isDeepStrictEqual(plain(again), plain(message)), 'a message changed')
  }
}

function checkBounds(message: Message): void {
  const whole = (n: number, most: number, what: string) =>
    claim(Number.isSafeInteger(n) && n >= 0 && n <= most, `${what} ${n}`)
  for (const value of Object.values(message)) {
    if (Array.isArray(value)) claim(value.length <= limits.MAX_HAVE_RUNS, `a list of ${value.length}`)
  }
  switch (message.type) {
    case 'request':
      whole(message.length, limits.MAX_REQUEST_BYTES, 'length')
      whole(message.offset + message.length, Number.MAX_SAFE_INTEGER, 'end')
      return
    case 'nodeRequest':
      whole(message.first + message.count, limits.MAX_NODES, 'end')
      whole(message.count, limits.MAX_NODES_PER_REQUEST, 'count')
      return
    case 'have':
    case 'lost':
      for (const { first, count } of message.runs) whole(first + count, limits.MAX_PIECES, 'end')
      whole(
        message.runs.reduce((sum, run) => sum + run.count, 0),
        limits.MAX_PIECES,
        'pieces'
      )
      return
    case 'hello':
      whole(message.maxRequests, limits.MAX_REQUESTS_IN_FLIGHT, 'maxRequests')
      whole(message.maxRequestBytes, limits.MAX_REQUEST_BYTES_IN_FLIGHT, 'maxRequestBytes')
      return
    case 'pex':
      for (const { id, addrs } of message.added) {
        claim(/^[0-9A-Za-z]{1,128}$/.test(id), 'a peer ID that is none')
        for (const addr of addrs) claim(/^\/[\x21-\x7e]{1,255}$/.test(addr), 'an address that is none')
      }
      return
    default:
  }
}

/** Byte fields are views, of buffers of different kinds. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return [...value]
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner)]))
}
