import { createHash } from 'node:crypto'
import type { Stream, StreamCloseEvent } from '@libp2p/interface'
import { multiaddrConnectionPair } from '@libp2p/utils'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readU32 } from '../../../../src/base/u32.ts'
import { isDirectStream } from '../../../../src/node/transport/direct-stream.ts'
import {
  encodeHeader,
  FLAG_ACK,
  FLAG_FIN,
  FLAG_RST,
  FLAG_SYN,
  HEADER_BYTES,
  INITIAL_WINDOW_BYTES,
  TYPE_DATA,
  TYPE_GO_AWAY,
  TYPE_PING,
  TYPE_WINDOW
} from '../../../../src/node/transport/yamux/frame.ts'
import { FrameDecoder } from '../../../../src/node/transport/yamux/frame-decoder.ts'
import {
  MAX_QUEUED_CONTROL_FRAMES,
  PING_BURST,
  SMALL_FRAME_BURST,
  STREAM_BURST
} from '../../../../src/node/transport/yamux/limits.ts'
import { YamuxMuxer } from '../../../../src/node/transport/yamux/muxer.ts'
import { accepted, drainOf, PAIRS, pair, sendAll, streams } from './pairs.ts'

const closed = (stream: Stream) =>
  new Promise<StreamCloseEvent>(resolve => stream.addEventListener('close', resolve, { once: true }))
const bytes = (length: number, seed = 7) => Uint8Array.from({ length }, (_, i) => (i * seed + (i >> 8)) & 0xff)
const sha = (data: Uint8Array) => createHash('sha256').update(data).digest('hex')

describe.each(PAIRS)('%s dials %s', (...kinds) => {
  test.each([
    ['the dialer', false],
    ['the listener', true]
  ])('6 MiB in uneven parts from %s, and back-pressure on the way', async (_who, swap) => {
    const { near, far } = await streams(pair(kinds, {}, 2))
    const [from, to] = swap ? [far, near] : [near, far]
    const data = bytes(6 * 1024 * 1024)
    const parts: Uint8Array[] = []
    for (let at = 0, size = 1; at < data.byteLength; at += size, size = (size * 7) % 300_007) {
      parts.push(data.subarray(at, at + size))
    }
    const got = drainOf(to)
    await sendAll(from, parts)
    await from.close()
    expect(sha(await got)).toBe(sha(data))
  })

  test('both ways at once, then both halves close and both sides forget the stream', async () => {
    const both = pair(kinds)
    const { near, far } = await streams(both)
    const over = [closed(near), closed(far)]
    const results = [drainOf(near), drainOf(far)]
    await Promise.all([sendAll(near, [bytes(700_000, 3)]), sendAll(far, [bytes(900_000, 5)])])
    await Promise.all([near.close(), far.close()])
    expect((await Promise.all(results)).map(sha)).toEqual([sha(bytes(900_000, 5)), sha(bytes(700_000, 3))])
    for (const event of await Promise.all(over)) expect(event.error).toBeUndefined()
    expect(both.dialer.streams).toEqual([])
    expect(both.listener.streams).toEqual([])
  })

  test('one half closed: the other still carries', async () => {
    const { near, far } = await streams(pair(kinds))
    const answer = drainOf(near)
    const question = drainOf(far)
    await sendAll(near, [bytes(10)])
    await near.close()
    expect(await question).toEqual(Buffer.from(bytes(10)))
    await sendAll(far, [bytes(400_000)])
    await far.close()
    expect(sha(await answer)).toBe(sha(bytes(400_000)))
  })

  test('an abort resets the other side, and other streams go on', async () => {
    const both = pair(kinds)
    const [doomed, kept] = [await streams(both), await streams(both)]
    const reset = closed(doomed.far)
    doomed.near.abort(new Error('enough'))
    expect((await reset).error).toBeInstanceOf(Error)
    const got = drainOf(kept.far)
    await sendAll(kept.near, [bytes(1000)])
    await kept.near.close()
    expect((await got).byteLength).toBe(1000)
  })

  test('200 streams at once, each with bytes of its own', async () => {
    const both = pair(kinds, { maxEarlyStreams: 300 })
    const got: Array<Promise<string>> = []
    both.listener.addEventListener('stream', event => {
      got.push(drainOf(event.detail).then(data => `${data.byteLength}:${sha(data)}`))
    })
    const sent = await Promise.all(
      Array.from({ length: 200 }, async (_, i) => {
        const data = bytes(i * 97, i)
        const stream = await both.dialer.createStream()
        void drainOf(stream).catch(() => {})
        await sendAll(stream, [data])
        await stream.close()
        return `${data.byteLength}:${sha(data)}`
      })
    )
    await expect.poll(() => got.length).toBe(200)
    expect((await Promise.all(got)).sort()).toEqual(sent.sort())
  })

  test('a close of the connection ends the streams of both sides', async () => {
    const both = pair(kinds)
    const { near, far } = await streams(both)
    const over = [closed(near), closed(far)]
    await Promise.all([both.dialer.close(), far.close()])
    await both.ends[0].close()
    await Promise.all(over)
    await expect(both.dialer.createStream()).rejects.toThrow()
    await expect(both.listener.createStream()).rejects.toThrow()
  })

  test('more inbound streams than the limit are reset, those before stay', async () => {
    const both = pair(kinds, { maxInboundStreams: 3, maxEarlyStreams: 10 })
    const opened = []
    for (let i = 0; i < 3; i++) opened.push(await streams(both))
    const refused = await both.dialer.createStream()
    expect((await closed(refused)).error).toBeInstanceOf(Error)
    expect(opened.map(({ near }) => near.status)).toEqual(['open', 'open', 'open'])
  })

  test('any sequence of sends, pauses and closes: each half arrives whole', async () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('send' as const), bytes: fc.nat(400_000) }),
      fc.record({ kind: fc.constant('pause' as const), bytes: fc.constant(0) }),
      fc.record({ kind: fc.constant('resume' as const), bytes: fc.constant(0) })
    )
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 12 }), fc.integer({ min: 1, max: 4 }), async (steps, capacity) => {
        const { near, far } = await streams(pair(kinds, {}, capacity))
        const got = drainOf(far)
        const sent = createHash('sha256')
        const sending: Array<Promise<void>> = []
        let last = Promise.resolve()
        for (const { kind, bytes: length } of steps) {
          // the stock one resets what is paused for long: it is only paused between two sends
          if (kind === 'send') {
            const data = bytes(length, length)
            sent.update(data)
            last = last.then(() => sendAll(near, [data]))
            sending.push(last)
          } else if (kinds[1] === 'lean') {
            if (kind === 'pause') far.pause()
            else far.resume()
          }
        }
        if (kinds[1] === 'lean') far.resume()
        await Promise.all(sending)
        await near.close()
        expect(sha(await got)).toBe(sent.digest('hex'))
      }),
      { numRuns: 25 }
    )
  })
})

describe('what a lean stream does on its own', () => {
  const lean = ['lean', 'lean'] as const

  test('a stream that nobody reads stops its sender at the window, and nothing else', async () => {
    const both = pair(lean, {}, 100)
    const { near, far } = await streams(both)
    far.pause()
    const block = new Uint8Array(INITIAL_WINDOW_BYTES)
    expect(near.send(block)).toBe(true)
    expect(near.send(block)).toBe(false)
    const other = await streams(both)
    const got = drainOf(other.far)
    await sendAll(other.near, [bytes(2_000_000)])
    await other.near.close()
    expect((await got).byteLength).toBe(2_000_000)
    expect(far.readBufferLength).toBe(INITIAL_WINDOW_BYTES)
    const drained = new Promise<void>(resolve => near.addEventListener('drain', () => resolve(), { once: true }))
    let received = 0
    far.addEventListener('message', ({ data }) => (received += data.byteLength))
    far.resume()
    await drained
    await expect.poll(() => received).toBe(2 * INITIAL_WINDOW_BYTES)
  })

  test('bytes that a negotiation pushes back are granted once', async () => {
    const { near, far } = await streams(pair(lean))
    let received = 0
    const first = ({ data }: { data: { byteLength: number; subarray(from?: number): Uint8Array } }) => {
      far.removeEventListener('message', first)
      // all but a few bytes were not for this reader
      far.unshift(data.subarray(3).slice())
      received += 3
      far.addEventListener('message', event => (received += event.data.byteLength))
    }
    far.addEventListener('message', first)
    const total = 20 * INITIAL_WINDOW_BYTES
    const block = new Uint8Array(INITIAL_WINDOW_BYTES / 4)
    await sendAll(
      near,
      Array.from({ length: 80 }, () => block)
    )
    await expect.poll(() => received).toBe(total)
  })

  test('streams that always have more to send share the connection', async () => {
    const both = pair(lean, {}, 2)
    const three = [await streams(both), await streams(both), await streams(both)]
    const received = three.map(() => 0)
    const block = new Uint8Array(64 * 1024)
    let sent = 0
    for (const [i, { near, far }] of three.entries()) {
      far.addEventListener('message', ({ data }) => (received[i] = (received[i] ?? 0) + data.byteLength))
      const fill = () => {
        for (let more = true; more && near.status === 'open' && near.writeBufferLength === 0 && sent < 150; sent++)
          more = near.send(block)
      }
      // as an uploader: at once when there is room
      near.addEventListener('drain', fill)
      near.addEventListener('idle', () => queueMicrotask(fill))
      fill()
    }
    await expect.poll(() => received.reduce((a, b) => a + b, 0), { timeout: 20_000 }).toBe(150 * block.byteLength)
    expect(Math.min(...received)).toBeGreaterThan(40 * block.byteLength)
  })

  test('onChunk takes what waited, then what comes, in order, and then the end', async () => {
    const { near, far } = await streams(pair(lean))
    if (!isDirectStream(far) || !isDirectStream(near)) throw new Error('not direct')
    near.sendChunks([bytes(5000), bytes(10)])
    await expect.poll(() => far.readBufferLength).toBe(5010)
    const got: Uint8Array[] = []
    const ended = new Promise<void>(resolve => far.addEventListener('end', () => resolve()))
    far.onChunk = chunk => got.push(chunk.slice())
    near.sendChunks([bytes(100_000, 9)])
    await near.close()
    await ended
    expect(sha(Buffer.concat(got))).toBe(sha(Buffer.concat([bytes(5000), bytes(10), bytes(100_000, 9)])))
  })

  test.each([
    ['all of the window', INITIAL_WINDOW_BYTES, true],
    ['a little more than the window', INITIAL_WINDOW_BYTES + 9, true],
    ['much more than the window', 3 * INITIAL_WINDOW_BYTES, false]
  ])('the header goes into the memory ahead, and what comes is whole: %s', async (_what, length, isAhead) => {
    const { near, far } = await streams(pair(lean))
    if (!isDirectStream(near)) throw new Error('not direct')
    const got = drainOf(far)
    const memory = bytes(64 + length)
    const before = memory.slice(0, 64)
    const data = memory.subarray(64)
    const expected = sha(data)
    near.sendChunks([data], undefined, 64)
    const after = memory.subarray(0, 64)
    expect(after.subarray(0, 64 - HEADER_BYTES)).toEqual(before.subarray(0, 64 - HEADER_BYTES))
    if (isAhead) expect(readU32(after, 60)).toBe(INITIAL_WINDOW_BYTES)
    else expect(after).toEqual(before)
    await near.close()
    expect(sha(await got)).toBe(expected)
  })

  test('what is little is copied, and the giver’s again at once', async () => {
    const { near, far } = await streams(pair(lean))
    if (!isDirectStream(near)) throw new Error('not direct')
    const got = drainOf(far)
    const data = bytes(1000)
    let consumed = false
    near.sendChunks([data], () => {
      consumed = true
    })
    expect(consumed).toBe(true)
    data.fill(0)
    await near.close()
    expect(sha(await got)).toBe(sha(bytes(1000)))
  })

  test('a send after the close is refused', async () => {
    const { near } = await streams(pair(lean))
    await near.close()
    expect(() => near.send(bytes(1))).toThrow()
  })
})

/** A lean listener and a peer whose frames are made by hand. */
function byHand(maxInboundStreams = 10) {
  const [peer, end] = multiaddrConnectionPair()
  const muxer = new YamuxMuxer(end, { maxInboundStreams, keepAliveMs: 0 })
  const frames: Array<{ type: number; flags: number; stream: number; length: number }> = []
  const decoder = new FrameDecoder({ onHeader: header => frames.push(header), onPayload: () => {} })
  peer.addEventListener('message', ({ data }) => {
    for (const chunk of data instanceof Uint8Array ? [data] : data) decoder.push(chunk)
  })
  const send = (type: number, flags: number, stream: number, length: number, payload = new Uint8Array(0)) =>
    peer.send(Buffer.concat([encodeHeader({ type, flags, stream, length }), payload]))
  return { muxer, end, peer, frames, send }
}

describe('a peer that does as it likes', () => {
  test.each([
    ['opens a stream that is ours to open', TYPE_WINDOW, FLAG_SYN, 2, 0],
    ['sends a stream frame for the session', TYPE_DATA, 0, 0, 0],
    ['answers a ping that nobody sent', TYPE_PING, FLAG_ACK, 0, 1],
    ['pings with unknown flags', TYPE_PING, 9, 0, 1],
    ['sends more than was granted', TYPE_DATA, FLAG_SYN, 1, INITIAL_WINDOW_BYTES + 1],
    ['sends an unknown type', 4, 0, 1, 0]
  ])('%s: the connection ends, with the reason', async (_what, type, flags, stream, length) => {
    const { muxer, end, send, frames } = byHand()
    void accepted(muxer)
    send(type, flags, stream, length)
    await expect.poll(() => end.status).toBe('aborted')
    expect(muxer.status).toBe('closed')
    expect(frames.filter(frame => frame.type === TYPE_GO_AWAY).map(frame => frame.length)).toEqual([1])
  })

  test('reads a byte at a time: its stream takes nothing more until all that waits has gone', async () => {
    const { muxer, send, frames } = byHand()
    const opened = accepted(muxer)
    send(TYPE_WINDOW, FLAG_SYN, 1, 0)
    const stream = await opened
    let toldOfRoom = 0
    for (const event of ['drain', 'idle'] as const) stream.addEventListener(event, () => (toldOfRoom += 1))
    const waiting = 100
    expect(stream.send(new Uint8Array(INITIAL_WINDOW_BYTES + waiting))).toBe(false)
    const sent = () =>
      frames.filter(({ type, length }) => type === TYPE_DATA && length > 0).reduce((sum, { length }) => sum + length, 0)
    await expect.poll(sent).toBe(INITIAL_WINDOW_BYTES)
    for (let read = 1; read < waiting; read++) send(TYPE_WINDOW, 0, 1, 1)
    await expect.poll(sent).toBe(INITIAL_WINDOW_BYTES + waiting - 1)
    expect([toldOfRoom, stream.writeBufferLength]).toEqual([0, 1])
    send(TYPE_WINDOW, 0, 1, 1)
    await expect.poll(() => toldOfRoom).toBeGreaterThan(0)
  })

  test('a ping is answered with its number', async () => {
    const { send, frames } = byHand()
    send(TYPE_PING, FLAG_SYN, 0, 0xfeedbeef)
    await expect.poll(() => frames).toContainEqual({ type: TYPE_PING, flags: FLAG_ACK, stream: 0, length: 0xfeedbeef })
  })

  test('frames of a stream that is over or never was are thrown away', async () => {
    const { muxer, send, frames, end } = byHand()
    const stream = accepted(muxer)
    send(TYPE_DATA, 0, 77, 5, bytes(5))
    send(TYPE_WINDOW, FLAG_SYN, 1, 0)
    ;(await stream).abort(new Error('no'))
    send(TYPE_DATA, 0, 1, 3, bytes(3))
    send(TYPE_DATA, FLAG_FIN, 1, 0)
    send(TYPE_PING, FLAG_SYN, 0, 5)
    await expect.poll(() => frames.some(frame => frame.type === TYPE_PING)).toBe(true)
    expect(end.status).toBe('open')
    expect(muxer.streams).toEqual([])
  })

  test('streams opened and reset at once leave nothing behind', async () => {
    const { muxer, send, frames } = byHand(3)
    let seen = 0
    muxer.addEventListener('stream', () => (seen += 1))
    for (let i = 0; i < 100; i++) {
      send(TYPE_WINDOW, FLAG_SYN, 2 * i + 1, 0)
      send(TYPE_WINDOW, FLAG_RST, 2 * i + 1, 0)
    }
    send(TYPE_PING, FLAG_SYN, 0, 5)
    await expect.poll(() => frames.some(frame => frame.type === TYPE_PING)).toBe(true)
    expect(seen).toBe(100)
    expect(muxer.streams).toEqual([])
  })

  test('opens streams faster than anybody needs, and resets each: the connection ends', async () => {
    const { muxer, end, peer } = byHand()
    muxer.addEventListener('stream', () => {})
    const both = (number: number) => [
      encodeHeader({ type: TYPE_WINDOW, flags: FLAG_SYN, stream: number, length: 0 }),
      encodeHeader({ type: TYPE_WINDOW, flags: FLAG_RST, stream: number, length: 0 })
    ]
    const burst = (from: number, count: number) =>
      Buffer.concat(Array.from({ length: count }, (_, i) => both(2 * (from + i) + 1)).flat())
    peer.send(burst(0, STREAM_BURST))
    // one that passes is answered: all before it were read
    peer.send(encodeHeader({ type: TYPE_PING, flags: FLAG_SYN, stream: 0, length: 1 }))
    expect(end.status).toBe('open')
    for (let i = 1; i < 4; i++) peer.send(burst(i * STREAM_BURST, STREAM_BURST))
    await expect.poll(() => end.status).toBe('aborted')
    expect(muxer.streams).toEqual([])
  })

  test('pings without end: the connection ends', async () => {
    const { end, send, frames } = byHand()
    for (let i = 0; i < PING_BURST; i++) send(TYPE_PING, FLAG_SYN, 0, i)
    await expect.poll(() => frames.length).toBeGreaterThanOrEqual(PING_BURST)
    expect(end.status).toBe('open')
    for (let i = 0; i < 2 * PING_BURST; i++) send(TYPE_PING, FLAG_SYN, 0, i)
    await expect.poll(() => end.status).toBe('aborted')
  })

  test.each([
    ['window updates of no stream', 12, encodeHeader({ type: TYPE_WINDOW, flags: 0, stream: 77, length: 1 })],
    [
      'frames of one byte',
      13,
      Buffer.concat([encodeHeader({ type: TYPE_DATA, flags: 0, stream: 77, length: 1 }), bytes(1)])
    ],
    ['empty frames', 12, encodeHeader({ type: TYPE_DATA, flags: 0, stream: 77, length: 0 })]
  ])('%s without end: the connection ends, and a burst is taken', async (_what, length, frame) => {
    const { end, peer, frames } = byHand()
    const burst = Buffer.alloc(SMALL_FRAME_BURST * length, frame)
    peer.send(burst.subarray(0, burst.byteLength - length))
    peer.send(encodeHeader({ type: TYPE_PING, flags: FLAG_SYN, stream: 0, length: 1 }))
    await expect.poll(() => frames.length).toBe(1)
    expect(end.status).toBe('open')
    for (let i = 0; i < 4; i++) peer.send(burst)
    await expect.poll(() => end.status).toBe('aborted')
    expect(frames.at(-1)).toMatchObject({ type: TYPE_GO_AWAY, length: 1 })
  })

  test('asks for answers and reads none: the connection ends, the queue is bounded', async () => {
    const { muxer, end, peer } = byHand()
    peer.pause()
    // the connection says that it is full and never drains
    end.send = () => false
    const pings = Buffer.concat(
      Array.from({ length: 2_000 }, (_, i) => encodeHeader({ type: TYPE_PING, flags: FLAG_SYN, stream: 0, length: i }))
    )
    for (let i = 0; i <= MAX_QUEUED_CONTROL_FRAMES / 2_000 + 1; i++) peer.send(pings)
    await expect.poll(() => end.status).toBe('aborted')
    expect(muxer.status).toBe('closed')
  })
})
