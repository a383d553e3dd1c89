import { describe, expect, it } from 'vitest'
import { PeerSession } from '../../../src/transfer/io/peer-session.ts'
import { RateLimiter } from '../../../src/transfer/io/rate-limiter.ts'
import type { PeerStream, PieceStorage } from '../../../src/transfer/io/seams.ts'
import { MAX_READS, MAX_READS_PER_SESSION, SET_ASIDE_MS, Uploader } from '../../../src/transfer/io/uploader.ts'
import { DATA_HEADER_BYTES, dataFrameHeader } from '../../../src/transfer/protocol/frame.ts'
import { MemoryStorage, mapPieces } from '../../helpers/memory-storage.ts'

const KIB = 1024
const MIB = 1024 * KIB
const clock = { now: () => 0, wallMs: () => 0 }

interface Sent {
  /** The payload, a view. */
  bytes: Uint8Array
  /** Of how many pieces of memory the frame was made. */
  chunks: number
  /** All of it, as it was when it was sent. */
  frame: Uint8Array
  consume: () => void
}

/** Keeps what was sent, and consumes it when the test says so. */
class HoldingStream implements PeerStream {
  readonly peerId = 'peer'
  readonly addr = '/ip4/127.0.0.1/tcp/1'
  readonly outbound = true
  onData: PeerStream['onData']
  onDrain: PeerStream['onDrain']
  onClose: PeerStream['onClose']
  readonly sent: Sent[] = []
  /** Each frame as soon as it was sent. */
  consumes = false
  takesMore = true
  send(chunks: readonly Uint8Array[], onConsumed = () => {}): boolean {
    const last = chunks.at(-1) ?? new Uint8Array(0)
    const bytes = last.subarray(last.byteLength % KIB)
    this.sent.push({ bytes, chunks: chunks.length, frame: Buffer.concat(chunks), consume: onConsumed })
    if (this.consumes) onConsumed()
    return this.takesMore
  }
  async close(): Promise<void> {}
  abort(): void {}
}

/** Each read waits until the test answers it. */
function slowStorage() {
  const pieces = mapPieces(new Uint8Array(3 * MIB), [MIB, MIB, MIB])
  interface Read {
    into: Uint8Array | undefined
    answer: (fill: number, elsewhere?: boolean) => void
    fail: () => void
  }
  const reads: Read[] = []
  const storage: PieceStorage = Object.assign(new MemoryStorage(pieces), {
    read: (_offset: number, length: number, into?: Uint8Array) =>
      new Promise<Uint8Array>((resolve, reject) => {
        const answer = (fill: number, elsewhere = false) => {
          const buffer = elsewhere || into === undefined ? new Uint8Array(length) : into.subarray(0, length)
          resolve(buffer.fill(fill))
        }
        reads.push({ into, answer, fail: () => reject(new Error('no such disk')) })
      })
  })
  return { storage, reads }
}

const turn = () => new Promise(resolve => setImmediate(resolve))

function bench() {
  const { storage, reads } = slowStorage()
  const uploader = new Uploader(clock.now)
  const limiter = new RateLimiter(clock).root()
  let next = 0
  const session = () => {
    const stream = new HoldingStream()
    const handlers = { onMessage: () => {}, onData: () => {}, onDrain: () => {}, onClosed: () => {} }
    const session = new PeerSession(++next, stream, handlers)
    session.maxDataBytes = 256 * KIB
    return { stream, session }
  }
  const ask = (session: PeerSession, piece: number) =>
    uploader.enqueue({
      ...{ session, id: piece, offset: piece * MIB, length: MIB, piece, storage, limiter },
      onEnded: () => {},
      onFailed: () => {}
    })
  return { uploader, reads, session, ask }
}

describe('the buffer of a read', () => {
  it('serves the next one once every frame of it was consumed, and not before', async () => {
    const { reads, session, ask } = bench()
    const { stream, session: one } = session()
    ask(one, 0)
    reads[0]?.answer(1)
    await turn()
    expect(stream.sent.length).toBe(8)
    for (const { consume } of stream.sent.slice(1)) consume()
    ask(one, 1)
    expect(reads[1]?.into?.buffer).not.toBe(reads[0]?.into?.buffer)
    expect(stream.sent[0]?.bytes.every(byte => byte === 1)).toBe(true)
    stream.sent[0]?.consume()
    reads[1]?.answer(2)
    await turn()
    ask(one, 2)
    expect(reads[2]?.into?.buffer).toBe(reads[0]?.into?.buffer)
  })

  it('is nobody’s while a read writes to it, though its session is gone', async () => {
    const { uploader, reads, session, ask } = bench()
    const { session: gone } = session()
    const { stream, session: stays } = session()
    ask(gone, 0)
    uploader.dropSession(gone)
    ask(stays, 1)
    expect(reads[1]?.into?.buffer).not.toBe(reads[0]?.into?.buffer)
    reads[1]?.answer(5)
    reads[0]?.answer(6)
    await turn()
    expect(stream.sent.every(({ bytes }) => bytes.every(byte => byte === 5))).toBe(true)
    ask(stays, 2)
    expect(reads[2]?.into?.buffer).toBe(reads[0]?.into?.buffer)
  })

  it('is not used again where the bytes came in another: reads of a failed attempt may still write to it', async () => {
    const { reads, session, ask } = bench()
    const { stream, session: one } = session()
    ask(one, 0)
    reads[0]?.answer(1, true)
    await turn()
    for (const { consume } of stream.sent) consume()
    ask(one, 1)
    expect(reads[1]?.into?.buffer).not.toBe(reads[0]?.into?.buffer)
  })
})

describe('sessions that take nothing', () => {
  it('hold what others could be served with for five seconds, and get theirs when they take more', async () => {
    const { uploader, reads, session, ask } = bench()
    const stuck = Array.from({ length: MAX_READS / MAX_READS_PER_SESSION }, session)
    for (const { stream, session: one } of stuck) {
      stream.takesMore = false
      for (const piece of [0, 2]) ask(one, piece)
    }
    for (const { answer } of reads) answer(1)
    await turn()
    expect(reads).toHaveLength(MAX_READS)
    const { stream, session: other } = session()
    ask(other, 1)
    uploader.tick(SET_ASIDE_MS - 1)
    expect(reads).toHaveLength(MAX_READS)
    uploader.tick(SET_ASIDE_MS)
    expect(reads).toHaveLength(MAX_READS + 1)
    reads[MAX_READS]?.answer(2)
    await turn()
    expect(stream.sent.reduce((sum, { bytes }) => sum + bytes.byteLength, 0)).toBe(MIB)
    const [first] = stuck
    if (first === undefined) throw new Error('nobody is stuck')
    first.stream.takesMore = true
    first.stream.onDrain?.()
    uploader.drained(first.session)
    expect(reads.length).toBeGreaterThan(MAX_READS + 1)
  })
})

describe('a request that was cancelled while it was read, and is asked again under the same id', () => {
  it('holds nothing once both are over', async () => {
    const { uploader, reads, session, ask } = bench()
    // as many as would take all reads of the node if each left one behind
    for (let i = 0; i < MAX_READS; i++) {
      const { session: one } = session()
      ask(one, 0)
      uploader.cancel(one.id, 0)
      ask(one, 0)
      for (const { answer } of reads.splice(0)) answer(1)
      await turn()
      uploader.dropSession(one)
    }
    const { stream, session: last } = session()
    ask(last, 0)
    reads[0]?.answer(1)
    await turn()
    expect(stream.sent.reduce((sum, { bytes }) => sum + bytes.byteLength, 0)).toBe(MIB)
  })

  it('comes, though the read before it failed', async () => {
    const { uploader, reads, session, ask } = bench()
    const { stream, session: one } = session()
    ask(one, 0)
    uploader.cancel(one.id, 0)
    ask(one, 0)
    const [first, second] = reads
    first?.fail()
    second?.answer(1)
    await turn()
    await turn()
    expect(stream.sent.length).toBe(8)
  })
})

describe('the header of a frame', () => {
  const headers = (stream: HoldingStream) =>
    stream.sent.map(({ frame }) => Buffer.from(frame.subarray(0, DATA_HEADER_BYTES)).toString('hex'))
  const expected = Buffer.from(dataFrameHeader(0, 128 * KIB)).toString('hex')

  it('lies ahead of its payload, over what was sent before and is consumed', async () => {
    const { reads, session, ask } = bench()
    const { stream, session: one } = session()
    stream.consumes = true
    ask(one, 0)
    reads[0]?.answer(1)
    await turn()
    expect(stream.sent.map(({ chunks }) => chunks)).toEqual(Array(8).fill(1))
    expect(headers(stream)).toEqual(Array(8).fill(expected))
    for (const { frame } of stream.sent) expect(frame.subarray(DATA_HEADER_BYTES).every(byte => byte === 1)).toBe(true)
  })

  it('is apart while what lies there is not consumed', async () => {
    const { reads, session, ask } = bench()
    const { stream, session: one } = session()
    ask(one, 0)
    reads[0]?.answer(1)
    await turn()
    expect(stream.sent.map(({ chunks }) => chunks)).toEqual([1, ...Array(7).fill(2)])
    expect(headers(stream)).toEqual(Array(8).fill(expected))
    for (const { bytes } of stream.sent) expect(bytes.every(byte => byte === 1)).toBe(true)
  })

  it('is apart where the bytes lie in memory of the storage’s own', async () => {
    const { reads, session, ask } = bench()
    const { stream, session: one } = session()
    stream.consumes = true
    ask(one, 0)
    reads[0]?.answer(1, true)
    await turn()
    expect(stream.sent.map(({ chunks }) => chunks)).toEqual(Array(8).fill(2))
  })
})

describe('the frames of a node that sends much', () => {
  it.each([
    [256 * KIB, 256 * KIB],
    [128 * KIB, 128 * KIB]
  ])('are larger, up to what their taker takes: %i', async (maxDataBytes, expected) => {
    const { reads, session, ask } = bench()
    const { stream, session: one } = session()
    one.maxDataBytes = maxDataBytes
    stream.consumes = true
    const fill = async () => {
      ask(one, 0)
      reads.shift()?.answer(1)
      await turn()
      return stream.sent.splice(0).map(({ bytes }) => bytes.byteLength)
    }
    expect(await fill()).toEqual(Array(8).fill(128 * KIB))
    // 32 MiB a second for half of one
    for (let i = 0; i < 15; i++) await fill()
    expect(await fill()).toEqual(Array(MIB / expected).fill(expected))
  })
})
