import fc from 'fast-check'
import { varint } from 'multiformats'
import { describe, expect, it } from 'vitest'
import { LengthGuard } from '../../src/base/length-guard.ts'

const message = (body: Uint8Array) => {
  const length = varint.encodeTo(body.byteLength, new Uint8Array(varint.encodingLength(body.byteLength)))
  return Buffer.concat([length, body])
}

describe('LengthGuard', () => {
  it('takes any messages, however they are cut', () => {
    const messages = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 20 })
    fc.assert(
      fc.property(messages, fc.integer({ min: 1, max: 400 }), (bodies, step) => {
        const bytes = Buffer.concat(bodies.map(message))
        const guard = new LengthGuard()
        for (let at = 0; at < bytes.byteLength; at += step) {
          expect(guard.take(bytes.subarray(at, at + step))).toBe(true)
        }
        expect(guard.take(Buffer.alloc(4, 0xff))).toBe(true)
        expect(guard.take(Uint8Array.of(0xff))).toBe(false)
        expect(guard.take(Uint8Array.of(0))).toBe(false)
      })
    )
  })

  it('tells of each message when its end came, however it is cut', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(400)), fc.integer({ min: 1, max: 50 }), (lengths, step) => {
        const messages = lengths.map(length =>
          Buffer.concat([
            varint.encodeTo(length, new Uint8Array(varint.encodingLength(length))),
            Buffer.alloc(length, 0xff)
          ])
        )
        const told: number[] = []
        const guard = new LengthGuard(bytes => told.push(bytes))
        const bytes = Buffer.concat([...messages, Uint8Array.of(5, 0xff)])
        for (let at = 0; at < bytes.byteLength; at += step) guard.take(bytes.subarray(at, at + step))
        expect(told).toEqual(messages.map(({ byteLength }) => byteLength))
      })
    )
  })

  it('takes the longest length that there may be', () => {
    expect(new LengthGuard().take(Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0x0f, 0xff))).toBe(true)
  })
})
