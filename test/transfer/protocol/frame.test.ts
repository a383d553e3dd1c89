import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ShoalError } from '../../../src/base/errors.ts'
import { decodeMessage, encodeMessage } from '../../../src/transfer/protocol/codec.ts'
import { dataFrameHeader, encodeControlFrame, FrameDecoder } from '../../../src/transfer/protocol/frame.ts'
import { MAX_CONTROL_BYTES, MAX_DATA_BYTES, MAX_FRAME_BYTES } from '../../../src/transfer/protocol/limits.ts'
import { arbitraryMessage } from './arbitrary-message.ts'

type Frame = { control: number[] } | { id: number; data: number[] }

/** All whole frames, and the error's code where there was one. */
function decode(chunks: readonly Uint8Array[]): { frames: Frame[]; error?: string } {
  const frames: Frame[] = []
  let data: number[] = []
  const decoder = new FrameDecoder({
    onControl: bytes => frames.push({ control: [...bytes] }),
    onData: (id, chunk, last) => {
      data.push(...chunk)
      if (!last) return
      frames.push({ id, data })
      data = []
    }
  })
  try {
    for (const chunk of chunks) decoder.push(chunk)
  } catch (err) {
    return { frames, error: err instanceof ShoalError ? err.code : String(err) }
  }
  return { frames }
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap(part => [...part]))
}

function split(bytes: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const at = [0, ...cuts.map(cut => cut % (bytes.byteLength + 1)).sort((a, b) => a - b), bytes.byteLength]
  return at.slice(1).map((end, i) => bytes.subarray(at[i], end))
}

const frame = fc.oneof(
  arbitraryMessage.map(message => encodeControlFrame(message)),
  fc
    .tuple(fc.nat(0xffff_ffff), fc.uint8Array({ minLength: 1, maxLength: 300 }))
    .map(([id, data]) => concat([dataFrameHeader(id, data.byteLength), data])),
  // a type of a later version
  fc.uint8Array({ maxLength: 50 }).map(body => concat([Uint8Array.of(0, 0, 0, body.byteLength + 1, 9), body]))
)

describe('frames', () => {
  it('come out the same whatever the chunks', () => {
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 6 }), fc.array(fc.nat(5000), { maxLength: 20 }), (frames, cuts) => {
        const bytes = concat(frames)
        const whole = decode([bytes])
        expect(whole.error).toBeUndefined()
        expect(decode(split(bytes, cuts))).toEqual(whole)
        expect(whole.frames.length).toBe(frames.filter(f => f[4] !== 9).length)
      }),
      { numRuns: 300 }
    )
  })

  it('come out byte by byte', () => {
    const message = { type: 'request', id: 5, offset: 2 ** 45, length: 77 } as const
    const bytes = concat([encodeControlFrame(message), dataFrameHeader(0xffff_ffff, 3), Uint8Array.of(1, 2, 3)])
    const { frames } = decode([...bytes].map(byte => Uint8Array.of(byte)))
    expect(frames).toEqual([{ control: [...encodeMessage(message)] }, { id: 0xffff_ffff, data: [1, 2, 3] }])
    expect(decodeMessage(encodeMessage(message))).toEqual(message)
  })

  it('from arbitrary bytes are frames or a declared error', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.array(fc.nat(200), { maxLength: 5 }), (bytes, cuts) => {
        const whole = decode([bytes])
        expect([undefined, 'ERR_LIMIT', 'ERR_PROTOCOL']).toContain(whole.error)
        expect(decode(split(bytes, cuts))).toEqual(whole)
      }),
      { numRuns: 2000 }
    )
  })

  it('hand out payload at once, as views of the chunk', () => {
    const got: Array<[number, Uint8Array, boolean]> = []
    const decoder = new FrameDecoder({ onControl: () => {}, onData: (...args) => got.push(args) })
    decoder.push(dataFrameHeader(3, 4))
    const chunk = Uint8Array.of(1, 2, 3)
    decoder.push(chunk)
    expect(got).toHaveLength(1)
    expect(got[0]?.[1].buffer).toBe(chunk.buffer)
    expect(got[0]?.[2]).toBe(false)
    decoder.push(Uint8Array.of(4))
    expect(got[1]).toEqual([3, Uint8Array.of(4), true])
  })

  it('of a declared size cost no memory before their bytes arrive', () => {
    const decoders: FrameDecoder[] = []
    const before = process.memoryUsage().arrayBuffers
    for (let i = 0; i < 500; i++) {
      const decoder = new FrameDecoder({ onControl: () => {}, onData: () => {} })
      const header = Uint8Array.of(0, 0x20, 0, 0, 0, 1)
      decoder.push(header)
      decoders.push(decoder)
    }
    expect(decoders.length).toBe(500)
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(4 << 20)
  })

  it.each([
    ['no type', [0, 0, 0, 0, 0], 'ERR_PROTOCOL'],
    ['no payload', [0, 0, 0, 5, 1], 'ERR_PROTOCOL'],
    ['too large', [0xff, 0xff, 0xff, 0xff, 9], 'ERR_LIMIT'],
    ['too much data', header(MAX_DATA_BYTES + 6, 1), 'ERR_LIMIT'],
    ['too large a control message', header(MAX_CONTROL_BYTES + 2, 0), 'ERR_LIMIT']
  ])('with %s are refused', (_, bytes, code) => {
    expect(decode([Uint8Array.from(bytes)]).error).toBe(code)
  })

  it('of the largest size pass', () => {
    const body = new Uint8Array(MAX_CONTROL_BYTES)
    const decoded: number[] = []
    const decoder = new FrameDecoder({ onControl: bytes => decoded.push(bytes.byteLength), onData: () => {} })
    decoder.push(Uint8Array.from(header(MAX_FRAME_BYTES, 0)))
    for (let at = 0; at < body.byteLength; at += 60_000) decoder.push(body.subarray(at, at + 60_000))
    expect(decoded).toEqual([MAX_CONTROL_BYTES])
  })

  it('stop where a handler ends the decoder', () => {
    const ids: number[] = []
    const decoder: FrameDecoder = new FrameDecoder({
      onControl: () => {},
      onData: id => {
        ids.push(id)
        decoder.end()
      }
    })
    const one = concat([dataFrameHeader(1, 1), Uint8Array.of(0)])
    decoder.push(concat([one, one]))
    decoder.push(one)
    expect(ids).toEqual([1])
  })
})

function header(length: number, type: number): number[] {
  return [length >>> 24, (length >>> 16) & 255, (length >>> 8) & 255, length & 255, type]
}
