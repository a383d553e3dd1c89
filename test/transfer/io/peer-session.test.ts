/** A session with a peer that sends what it likes and reads what it likes. */
import { afterEach, describe, expect, it } from 'vitest'
import { ShoalError } from '../../../src/base/errors.ts'
import { KIB } from '../../../src/base/units.ts'
import {
  CONTROL_BURST_BYTES,
  CONTROL_BYTES_PER_SEC,
  MAX_UNSENT_BYTES,
  PeerSession,
  type SessionHandlers,
  WRITE_TIMEOUT_MS
} from '../../../src/transfer/io/peer-session.ts'
import type { PeerStream } from '../../../src/transfer/io/seams.ts'
import { decodeMessage, encodeMessage } from '../../../src/transfer/protocol/codec.ts'
import { encodeControlFrame, FrameDecoder } from '../../../src/transfer/protocol/frame.ts'
import { FEATURE_LARGE_FRAMES, type Message } from '../../../src/transfer/protocol/messages.ts'
import { MemoryStorage, mapPieces } from '../../helpers/memory-storage.ts'
import { MemoryNetwork, ROOT } from '../../helpers/memory-swarm.ts'

class OneEnd implements PeerStream {
  readonly peerId = 'stranger'
  readonly addr = '/ip4/192.0.2.1/tcp/1'
  readonly outbound = false
  onData: ((chunk: Uint8Array) => void) | undefined
  onDrain: (() => void) | undefined
  onClose: ((err?: Error) => void) | undefined
  takesMore = true
  unreadBytes = 0
  readonly sent: Message[] = []
  ended: Error | 'closed' | undefined
  readonly #decoder = new FrameDecoder({
    onControl: bytes => {
      const message = decodeMessage(bytes)
      if (message !== undefined) this.sent.push(message)
    },
    onData: () => {}
  })

  send(chunks: readonly Uint8Array[]): boolean {
    for (const chunk of chunks) {
      this.unreadBytes += chunk.byteLength
      this.#decoder.push(chunk)
    }
    return this.takesMore
  }

  async close(): Promise<void> {
    this.ended ??= 'closed'
    this.onClose?.()
  }

  abort(err: Error): void {
    this.ended ??= err
    this.onClose?.(err)
  }
}

function open(onMessage: () => void = () => {}) {
  const stream = new OneEnd()
  const closed: Array<Error | undefined> = []
  const handlers: SessionHandlers = {
    onMessage,
    onData: () => {},
    onDrain: () => {},
    onClosed: (_, err) => closed.push(err)
  }
  const clock = { now: 0, offences: [] as string[] }
  const init = { now: () => clock.now, onOffence: (code: string) => void clock.offences.push(code) }
  return { stream, session: new PeerSession(1, stream, handlers, init), closed, clock }
}

const interested = encodeControlFrame({ type: 'interested' })
const microtasks = () => new Promise<void>(resolve => setImmediate(resolve))

describe('a peer that reads nothing', () => {
  const answer: Message = { type: 'haveBitfield', have: { kind: 'bitfield', bytes: new Uint8Array(4_000) } }
  const answerBytes = encodeControlFrame(answer).byteLength

  it('has no more than so many bytes of answers waiting, and then no session', async () => {
    const { stream, session, closed } = open()
    stream.takesMore = false
    session.sendMessage(answer)
    await microtasks()
    let told = 0
    while (!session.isClosed && told < 1e6) {
      session.sendMessage(answer)
      told += 1
      if (told % 10 === 0) await microtasks()
    }
    expect(told * answerBytes).toBeGreaterThan(MAX_UNSENT_BYTES)
    expect(stream.unreadBytes).toBeLessThanOrEqual(MAX_UNSENT_BYTES + answerBytes)
    expect(stream.ended).toMatchObject({ code: 'ERR_LIMIT' })
    expect(closed).toHaveLength(1)
  })

  it('starts anew each time it has read', async () => {
    const { stream, session } = open()
    for (let round = 0; round < 4; round++) {
      stream.takesMore = false
      session.sendMessage(answer)
      await microtasks()
      for (let sent = 0; sent < MAX_UNSENT_BYTES * 0.75; sent += answerBytes) session.sendMessage(answer)
      await microtasks()
      stream.takesMore = true
      stream.onDrain?.()
    }
    expect(session.isClosed).toBe(false)
    expect(stream.sent.length * answerBytes).toBeGreaterThan(MAX_UNSENT_BYTES * 2.9)
  })
})

describe('what goes wrong while bytes are taken in', () => {
  it('is the peer’s fault where it is declared, and the peer hears it', () => {
    const { stream, closed } = open(() => {
      throw new ShoalError('ERR_LIMIT', 'the peer sent too much')
    })
    stream.onData?.(interested)
    expect(stream.sent).toEqual([{ type: 'goodbye', code: 'limit', message: 'the peer sent too much' }])
    expect(closed).toMatchObject([{ code: 'ERR_PROTOCOL' }])
  })

  it.each([new TypeError('/home/me/secret is undefined'), new ShoalError('ERR_IO', '/home/me/secret: EIO')])(
    'is a bug of ours where it is not: the session ends, the peer hears nothing of it (%s)',
    bug => {
      const { stream, closed } = open(() => {
        throw bug
      })
      expect(() => stream.onData?.(interested)).not.toThrow()
      expect(stream.sent).toEqual([{ type: 'goodbye', code: 'other', message: 'an error on this side' }])
      expect(closed).toMatchObject([{ code: 'ERR_BUG', cause: bug }])
    }
  )
})

describe('a swarm', () => {
  let network = new MemoryNetwork()
  afterEach(async () => {
    await network.stop()
    network = new MemoryNetwork()
  })

  const helloWith = (features: number) =>
    encodeControlFrame({
      type: 'hello',
      root: ROOT,
      features,
      manifest: false,
      have: { kind: 'none' },
      maxRequests: 16,
      maxRequestBytes: 4 << 20
    })
  const hello = helloWith(0)

  it.each([
    ['says that it takes large frames', FEATURE_LARGE_FRAMES, 256 * KIB],
    ['does not', 0, 128 * KIB]
  ])('knows which frames its peer takes: one that %s', (_who, features, expected) => {
    const { stream, session } = open()
    stream.onData?.(helloWith(features))
    expect(session.maxDataBytes).toBe(expected)
  })

  function serve(readNode: () => Promise<Uint8Array>) {
    const bytes = new Uint8Array(1_000).fill(1)
    const host = network.host('us')
    const storage = new MemoryStorage(mapPieces(bytes, [1_000]), bytes)
    Object.assign(storage, { nodeCount: 64, readNode })
    host.open(ROOT).attach(storage, { fetch: false })
    const stream = new OneEnd()
    host.accept(stream)
    stream.onData?.(hello)
    return stream
  }

  it('answers requests for DAG nodes one after the other, and takes no queue of them', async () => {
    const stream = serve(() => new Promise(() => {}))
    const ask = encodeControlFrame({ type: 'nodeRequest', first: 0, count: 1 })
    for (let n = 0; n < 16; n++) stream.onData?.(ask)
    await microtasks()
    expect(stream.ended).toBeUndefined()
    stream.onData?.(ask)
    await microtasks()
    expect(stream.sent.at(-1)).toMatchObject({ type: 'goodbye', code: 'limit' })
  })

  it.each<[string, Message]>([
    ['requests that it may not make', { type: 'request', id: 1, offset: 0, length: 1_000 }],
    ['requests for nodes that are not there', { type: 'nodeRequest', first: 2_000_000, count: 1 }],
    ['offers', { type: 'offer', pieces: [0] }]
  ])('keeps no more than so many bytes for a peer that floods it with %s and reads nothing', async (_, message) => {
    const stream = serve(async () => Uint8Array.of(10, 0))
    stream.takesMore = false
    await microtasks()
    const flood = Buffer.concat(Array.from({ length: 1_000 }, () => encodeControlFrame(message)))
    for (let n = 0; n < 400 && stream.ended === undefined; n++) {
      stream.onData?.(flood)
      await microtasks()
    }
    expect(stream.unreadBytes).toBeLessThanOrEqual(MAX_UNSENT_BYTES + flood.byteLength)
    // by the bytes that wait, or by what its messages may cost
    expect(stream.ended).toBeDefined()
  })

  it('answers any number of them that come one at a time', async () => {
    const stream = serve(async () => Uint8Array.of(10, 0))
    for (let n = 0; n < 100; n++) {
      stream.onData?.(encodeControlFrame({ type: 'nodeRequest', first: n % 64, count: 1 }))
      await expect.poll(() => stream.sent.filter(({ type }) => type === 'nodes').length, { interval: 1 }).toBe(n + 1)
    }
    expect(stream.ended).toBeUndefined()
  })
})

it('what is told of itself stays short', () => {
  const { stream, session } = open()
  session.goodbye('protocol', 'x'.repeat(10_000))
  expect(encodeMessage(stream.sent[0] ?? { type: 'choke' }).byteLength).toBeLessThan(250)
})

describe('a peer that does not read', () => {
  const data = new Uint8Array(1000)

  it('is left after two minutes in which its stream took nothing, and that is no offence', () => {
    const { stream, session, clock } = open()
    stream.takesMore = false
    session.sendData(1, data)
    clock.now = WRITE_TIMEOUT_MS - 1
    expect(session.endedAsStuck(clock.now)).toBe(false)
    clock.now = WRITE_TIMEOUT_MS
    expect(session.endedAsStuck(clock.now)).toBe(true)
    expect(stream.sent.at(-1)).toMatchObject({ type: 'goodbye', code: 'idle' })
    expect(clock.offences).toEqual([])
  })

  it('is left as soon where it goes on asking, and is answered', async () => {
    const { stream, session, clock } = open()
    stream.takesMore = false
    session.sendData(1, data)
    for (const part of [0.3, 0.6, 0.9]) {
      clock.now = part * WRITE_TIMEOUT_MS
      session.sendMessage({ type: 'reject', id: 1, code: 'choked' })
      await microtasks()
    }
    clock.now = WRITE_TIMEOUT_MS
    expect(session.endedAsStuck(clock.now)).toBe(true)
  })

  it('is slow, not stuck, where its stream drains now and then', () => {
    const { stream, session, clock } = open()
    stream.takesMore = false
    for (let i = 0; i < 5; i++) {
      session.sendData(1, data)
      clock.now += WRITE_TIMEOUT_MS - 1
      expect(session.endedAsStuck(clock.now)).toBe(false)
      stream.onDrain?.()
    }
  })
})

describe('bytes that are no payload', () => {
  /** A frame of an unknown type, which is skipped. */
  const unknown = (bytes: number) => {
    const frame = Buffer.alloc(4 + bytes)
    frame.writeUInt32BE(bytes)
    frame[4] = 99
    return frame
  }

  it('may come in a burst, then so many a second; beyond that the session ends with the limit', () => {
    const { stream, session, clock } = open()
    const half = unknown(64 * 1024)
    const room = Math.floor(CONTROL_BURST_BYTES / half.byteLength)
    for (let i = 0; i < room; i++) stream.onData?.(half)
    expect(session.isClosed).toBe(false)
    clock.now = 1_000
    for (let i = 0; i < Math.floor(CONTROL_BYTES_PER_SEC / half.byteLength); i++) stream.onData?.(half)
    expect(session.isClosed).toBe(false)
    for (let i = 0; i < 4; i++) stream.onData?.(half)
    expect(stream.sent.at(-1)).toMatchObject({ type: 'goodbye', code: 'limit' })
    expect(clock.offences).toEqual(['limit'])
  })

  it('that were asked for do not count, and no more of them than were', () => {
    const { stream, session } = open()
    const block = unknown(64 * 1024)
    const asked = (2 * CONTROL_BURST_BYTES) / block.byteLength
    session.sendMessage({ type: 'nodeRequest', first: 0, count: asked })
    const come = (count: number) => {
      for (let i = 0; i < count; i++) {
        stream.onData?.(block)
        session.tookNodes([block])
      }
    }
    come(asked)
    expect(session.isClosed).toBe(false)
    come(asked)
    expect(stream.sent.at(-1)).toMatchObject({ type: 'goodbye', code: 'limit' })
  })
})
