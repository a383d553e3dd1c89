import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  formatCount,
  padEnd,
  padStart,
  percent,
  plural,
  printable,
  truncate,
  widthOf
} from '../../../src/cli/render/text.ts'

test('control characters and marks that reorder text are escaped, all else stays', () => {
  expect(printable('a\u001b[31m\n\u0000\u009b\u202egpj.exe\u200b')).toBe(
    'a\\x1b[31m\\x0a\\x00\\x9b\\u202egpj.exe\\u200b'
  )
  expect(printable('Ünï — 日本語 🐟')).toBe('Ünï — 日本語 🐟')
})

test('no text steers the terminal', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), text => {
      expect(printable(text)).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/)
    })
  )
})

test('wide characters take two columns, combining marks none', () => {
  expect(widthOf('abc')).toBe(3)
  expect(widthOf('日本')).toBe(4)
  expect(widthOf('🐟')).toBe(2)
  expect(widthOf('e\u0301')).toBe(1)
})

test('a cut text takes no more columns than there are', () => {
  expect(truncate('abcdef', 6)).toBe('abcdef')
  expect(truncate('abcdef', 4)).toBe('abc…')
  expect(truncate('日本語', 4)).toBe('日…')
  expect(truncate('abc', 0)).toBe('')
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), fc.nat({ max: 50 }), (text, columns) => {
      expect(widthOf(truncate(text, columns))).toBeLessThanOrEqual(columns)
    })
  )
})

test('padding counts columns', () => {
  expect(padEnd('日', 4)).toBe('日  ')
  expect(padStart('日', 4)).toBe('  日')
  expect(padEnd('abc', 2)).toBe('abc')
})

test('numbers for people', () => {
  expect(formatCount(1_234_567)).toBe('1,234,567')
  expect(formatCount(999)).toBe('999')
  expect(plural(1, 'piece')).toBe('1 piece')
  expect(plural(1_000, 'piece')).toBe('1,000 pieces')
  expect(percent(999_999, 1_000_000)).toBe('99%')
  expect(percent(0, 0)).toBe('100%')
  expect(percent(1, 3)).toBe('33%')
})
