import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  DerReader,
  encodeDer,
  encodeObjectId,
  INTEGER,
  OCTET_STRING,
  SEQUENCE
} from '../../../../src/node/transport/tls/der.ts'

const hex = (text: string) => Buffer.from(text.replace(/ /g, ''), 'hex')

test('object identifiers, as X.690 shows them and as libp2p has it', () => {
  expect(Buffer.from(encodeObjectId('1.3.6.1.4.1.53594.1.1'))).toEqual(hex('06 0a 2b 06 01 04 01 83 a2 5a 01 01'))
  expect(Buffer.from(encodeObjectId('1.2.840.10045.4.3.2'))).toEqual(hex('06 08 2a 86 48 ce 3d 04 03 02'))
  expect(Buffer.from(encodeObjectId('2.5.4.5'))).toEqual(hex('06 03 55 04 05'))
})

test('what is written is read, at every length of a length', () => {
  for (const length of [0, 1, 127, 128, 255, 256, 65_535, 65_536, 100_000]) {
    const content = new Uint8Array(length).fill(3)
    const written = encodeDer(SEQUENCE, encodeDer(OCTET_STRING, content), encodeDer(INTEGER, Uint8Array.of(9)))
    const file = new DerReader(written, 'test')
    const list = file.enter(SEQUENCE, 'test')
    file.end()
    expect(list.optional(INTEGER)).toBeUndefined()
    expect(Buffer.compare(list.next(OCTET_STRING).content, content)).toBe(0)
    expect([...list.next(INTEGER).raw]).toEqual([INTEGER, 1, 9])
    list.end()
  }
})

describe('what has two readings is refused', () => {
  test.each([
    ['an indefinite length', '04 80 01 00 00'],
    ['a long length that would be short', '04 81 01 07'],
    ['a length with a leading zero', `04 82 00 80 ${'00'.repeat(128)}`],
    ['a length of four bytes', '04 84 00 00 00 01 07'],
    ['too little content', '04 03 01 02'],
    ['no length', '04'],
    ['half a length', '04 82 01'],
    ['another tag', '05 00'],
    ['nothing', '']
  ])('%s', (_what, text) => {
    expect(() => new DerReader(hex(text), 'test').next(OCTET_STRING)).toThrow(
      expect.objectContaining({ code: 'ERR_PROTOCOL' })
    )
  })

  test('bytes left over', () => {
    const reader = new DerReader(hex('04 00 00'), 'test')
    reader.next(OCTET_STRING)
    expect(() => reader.end()).toThrow(/left over/)
  })
})

test('any bytes give a value or a declared error', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), bytes => {
      try {
        const { content, raw } = new DerReader(bytes, 'test').next(bytes[0] ?? 0)
        expect(Buffer.from(encodeDer(bytes[0] ?? 0, content))).toEqual(Buffer.from(raw))
      } catch (err) {
        expect(err).toMatchObject({ code: 'ERR_PROTOCOL' })
      }
    })
  )
})
