import { multiaddrConnectionPair } from '@libp2p/utils'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import '../../../../src/base/polyfill.ts'
import type { DirectStream } from '../../../../src/node/transport/direct-stream.ts'
import {
  encodeHeader,
  FLAG_SYN,
  TYPE_DATA,
  TYPE_PING,
  TYPE_WINDOW
} from '../../../../src/node/transport/yamux/frame.ts'
import { YamuxMuxer } from '../../../../src/node/transport/yamux/muxer.ts'
import type { YamuxStream } from '../../../../src/node/transport/yamux/stream.ts'

/** A muxer that listens, over a connection that reads `wire` as a socket does: so much at a time, where it belongs. */
function reading(streams: Map<number, (stream: YamuxStream) => void>) {
  const [peer, end] = multiaddrConnectionPair()
  const direct: DirectStream = { sendChunks: () => true, onChunk: undefined }
  const muxer = new YamuxMuxer(Object.assign(end, direct), { keepAliveMs: 0, maxInboundStreams: 10 })
  muxer.addEventListener('stream', ({ detail }) => streams.get(detail.number)?.(detail))
  const connection = end as typeof end & DirectStream
  const read = (wire: Uint8Array, sizes: () => number) => {
    for (let at = 0; at < wire.byteLength; ) {
      const room = connection.roomForNext?.() ?? new Uint8Array(1 << 16)
      const length = Math.min(room.byteLength, wire.byteLength - at, sizes())
      room.set(wire.subarray(at, at + length))
      connection.onChunk?.(room.subarray(0, length))
      at += length
    }
  }
  return { read, close: () => peer.abort(new Error('the test is over')) }
}

const frame = (type: number, flags: number, stream: number, payload: Uint8Array) =>
  Buffer.concat([encodeHeader({ type, flags, stream, length: payload.byteLength }), payload])

test('payload goes where its stream says that it belongs, and nothing else ever does', () => {
  const frames = fc.array(fc.record({ stream: fc.constantFrom(1, 3, 0), length: fc.nat(3000) }), { maxLength: 12 })
  const property = fc.property(frames, fc.array(fc.integer({ min: 1, max: 4000 }), { minLength: 1 }), (list, sizes) => {
    const places = new Map([1, 3].map(number => [number, new Uint8Array(40_000)]))
    const filled = new Map([1, 3].map(number => [number, 0]))
    const opened = new Map(
      [1, 3].map(number => [
        number,
        (stream: YamuxStream) => {
          const place = places.get(number) ?? new Uint8Array(0)
          stream.protocol = '/test'
          stream.onChunk = chunk => {
            const at = filled.get(number) ?? 0
            const liesThere = chunk.buffer === place.buffer
            if (liesThere) expect(chunk.byteOffset).toBe(at)
            else place.set(chunk, at)
            filled.set(number, at + chunk.byteLength)
          }
          stream.roomForNext = () => place.subarray(filled.get(number))
        }
      ])
    )
    const { read, close } = reading(opened)
    const sent = new Map([1, 3].map(number => [number, [] as Uint8Array[]]))
    const wire = [1, 3].map(number => frame(TYPE_WINDOW, FLAG_SYN, number, new Uint8Array(0)))
    for (const [i, { stream, length }] of list.entries()) {
      const payload = Uint8Array.from({ length }, (_, at) => (at * 31 + i * 7 + 1) & 0xff)
      sent.get(stream)?.push(payload)
      wire.push(stream === 0 ? frame(TYPE_PING, FLAG_SYN, 0, new Uint8Array(0)) : frame(TYPE_DATA, 0, stream, payload))
    }
    let next = 0
    read(Buffer.concat(wire), () => sizes[next++ % sizes.length] ?? 1)
    for (const [number, parts] of sent) {
      const all = Buffer.concat(parts)
      expect(filled.get(number)).toBe(all.byteLength)
      expect(Buffer.compare(all, places.get(number)?.subarray(0, all.byteLength) ?? all)).toBe(0)
      expect(
        places
          .get(number)
          ?.subarray(all.byteLength)
          .every(byte => byte === 0)
      ).toBe(true)
    }
    close()
  })
  fc.assert(property, { numRuns: 200 })
})

test('a stream whose bytes wait has no room for those that come next', () => {
  const streams: YamuxStream[] = []
  const { read, close } = reading(new Map([[1, stream => streams.push(stream)]]))
  const payload = new Uint8Array(100).fill(1)
  read(Buffer.concat([frame(TYPE_WINDOW, FLAG_SYN, 1, new Uint8Array(0)), frame(TYPE_DATA, 0, 1, payload)]), () => 64)
  const [stream] = streams
  if (stream === undefined) throw new Error('no stream')
  stream.protocol = '/test'
  stream.roomForNext = () => new Uint8Array(1000)
  expect(stream.readBufferLength).toBe(100)
  expect(stream.room()).toBeUndefined()
  close()
})
