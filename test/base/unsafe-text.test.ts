import fc from 'fast-check'
import { expect, test } from 'vitest'
import { replaceUnsafe, toPrintableJson } from '../../src/base/unsafe-text.ts'

/** Each steers a terminal, hides, or reorders what is beside it. Named one by one, so that a range cannot lose its end. */
const UNSAFE = [
  ...[
    '\u0000',
    '\u0007',
    '\u001b',
    '\u001f',
    '\u007f',
    '\u0080',
    '\u009b',
    '\u009f',
    '\u00ad',
    '\u061c',
    '\u180e',
    '\u200b'
  ],
  ...[
    '\u200e',
    '\u200f',
    '\u2028',
    '\u2029',
    '\u202a',
    '\u202d',
    '\u202e',
    '\u2060',
    '\u2064',
    '\u2066',
    '\u2069',
    '\u206f'
  ],
  ...['\ufeff', '\ufff9', '\ufffb', '\u{e0000}', '\u{e0041}', '\u{e007f}', '\ud800', '\udfff']
]
const SAFE = [' ', '~', '\u00a0', 'é', '\u0301', '\u200c', '\u200d', '…', '日', '\ufffd', '😀', '\u{e0100}']

test.each(UNSAFE)('%j is unsafe, alone and amid text', character => {
  expect(replaceUnsafe(character, () => '_')).toBe('_')
  expect(replaceUnsafe(`a${character}b${character}`, () => '_')).toBe('a_b_')
})

test.each(SAFE)('%j stays', character => {
  expect(replaceUnsafe(`a${character}b`, () => '_')).toBe(`a${character}b`)
})

test('JSON means the same and prints safely', () => {
  const name = UNSAFE.join('-')
  const json = toPrintableJson({ name, [name]: [name] })
  expect(json).toMatch(/^[\x20-\x7e]*$/)
  expect(JSON.parse(json)).toEqual({ name, [name]: [name] })
  expect(toPrintableJson({ name: 'ünïcode 😀' })).toBe('{"name":"ünïcode 😀"}')
  fc.assert(
    fc.property(fc.jsonValue({ stringUnit: 'binary' }), value => {
      const text = toPrintableJson(value)
      expect(JSON.parse(text)).toEqual(JSON.parse(JSON.stringify(value)))
      expect(replaceUnsafe(text, () => '')).toBe(text)
    })
  )
})
