import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ShoalError } from '../../../../src/base/errors.ts'
import {
  encodeHeader,
  type FrameHeader,
  MAX_U32,
  TYPE_DATA,
  TYPE_GO_AWAY
} from '../../../../src/node/transport/yamux/frame.ts'
import { FrameDecoder } from '../../../../src/node/transport/yamux/frame-decoder.ts'

interface Frame extends FrameHeader {
  payload: number[]
}

/** Whole frames of what the chunks hold. */
function decode(chunks: readonly Uint8Array[]): Frame[] {
  const frames: Frame[] = []
  const decoder = new FrameDecoder({
    onHeader: header => frames.push({ ...header, payload: [] }),
    onPayload: (chunk, isLast) => {
      const frame = frames.at(-1)
      frame?.payload.push(...chunk)
      expect(isLast).toBe(frame?.payload.length === frame?.length)
    }
  })
  for (const chunk of chunks) decoder.push(chunk)
  return frames
}

const u32 = fc.integer({ min: 0, max: MAX_U32 })
const anyFrame: fc.Arbitrary<Frame> = fc.oneof(
  fc
    .record({
      flags: fc.integer({ min: 0, max: 0xffff }),
      stream: u32,
      payload: fc.array(fc.nat(255), { maxLength: 50 })
    })
    .map(({ flags, stream, payload }) => ({ type: TYPE_DATA, flags, stream, length: payload.length, payload })),
  fc
    .record({ type: fc.integer({ min: 1, max: TYPE_GO_AWAY }), flags: fc.nat(0xffff), stream: u32, length: u32 })
    .map(frame => ({ ...frame, payload: [] }))
)

test('any frames, cut anywhere, come out as they went in', () => {
  fc.assert(
    fc.property(fc.array(anyFrame, { maxLength: 8 }), fc.array(fc.nat(40), { maxLength: 40 }), (frames, cuts) => {
      const bytes = Buffer.concat(frames.flatMap(frame => [encodeHeader(frame), Uint8Array.from(frame.payload)]))
      const chunks: Uint8Array[] = []
      let at = 0
      for (const cut of cuts) {
        chunks.push(bytes.subarray(at, at + cut))
        at += cut
      }
      chunks.push(bytes.subarray(at))
      expect(decode(chunks)).toEqual(frames)
    })
  )
})

test('any bytes are frames or ERR_PROTOCOL, and after that nothing comes', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 10 }), chunks => {
      let frames = 0
      let failed = false
      const decoder = new FrameDecoder({
        onHeader: () => {
          expect(failed).toBe(false)
          frames += 1
        },
        onPayload: chunk => {
          expect(failed).toBe(false)
          expect(chunk.byteLength).toBeGreaterThan(0)
        }
      })
      for (const chunk of chunks) {
        try {
          decoder.push(chunk)
        } catch (err) {
          expect(err).toBeInstanceOf(ShoalError)
          expect(err).toMatchObject({ code: 'ERR_PROTOCOL' })
          expect(failed).toBe(false)
          failed = true
        }
      }
      const total = chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0)
      expect(frames).toBeLessThanOrEqual(total / 12)
    })
  )
})

test('a header is what the specification draws', () => {
  const header = encodeHeader({ type: 1, flags: 0x0102, stream: 0x03040506, length: 0xfffefdfc })
  expect([...header]).toEqual([0, 1, 1, 2, 3, 4, 5, 6, 0xff, 0xfe, 0xfd, 0xfc])
})

test('a payload that is one whole chunk is handed on, not copied or cut', () => {
  const payload = Uint8Array.of(1, 2, 3)
  const got: Uint8Array[] = []
  const decoder = new FrameDecoder({ onHeader: () => {}, onPayload: chunk => got.push(chunk) })
  decoder.push(encodeHeader({ type: TYPE_DATA, flags: 0, stream: 1, length: 3 }))
  decoder.push(payload)
  expect(got[0]).toBe(payload)
})
