import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeName, fileNameFrom, nameProblem, printable, printableBytes } from '../../src/content/safe-path.ts'

const problem = (name: string) => nameProblem(Buffer.from(name))

test.each(['', '.', '..', '/', 'a/b', '/a', '\0', 'a\0', 'x'.repeat(256), 'ä'.repeat(128)])('refuses %j', name => {
  expect(problem(name)).toBeDefined()
})

test.each(['a', '...', '.a', '..a', 'a..', ' ', 'a\\b', 'C:', 'con', '\n', '\u202e', 'x'.repeat(255), '😀'])(
  'takes %j',
  name => {
    expect(problem(name)).toBeUndefined()
  }
)

test('names are decoded strictly', () => {
  expect(decodeName(Buffer.from('\ufeffbom'))).toBe('\ufeffbom')
  expect(decodeName(Buffer.of(0x61, 0xff))).toBeUndefined()
  expect(decodeName(Buffer.of(0xed, 0xa0, 0x80))).toBeUndefined()
  expect(decodeName(Buffer.of(0xc0, 0xaf))).toBeUndefined()
})

describe('fileNameFrom', () => {
  test.each([
    ['film.mkv', 'film.mkv'],
    ['/a/b/../c.txt', 'c.txt'],
    ['a/..', undefined],
    ['a//', 'a'],
    ['.', undefined],
    ['', undefined],
    ['\u0000', '_'],
    ['a\nb', 'a_b'],
    ['\ud800x', '\ufffdx']
  ])('%j gives %j', (proposed, expected) => {
    expect(fileNameFrom(proposed)).toBe(expected)
  })

  test('cuts between characters and keeps a short extension', () => {
    expect(fileNameFrom(`${'ä'.repeat(200)}.tar`)).toBe(`${'ä'.repeat(125)}.tar`)
    expect(fileNameFrom('😀'.repeat(100))).toBe('😀'.repeat(63))
    expect(fileNameFrom(`a.${'x'.repeat(300)}`)).toBe(`a.${'x'.repeat(253)}`)
  })

  test('whatever it gives is one component', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 400 }), proposed => {
        const name = fileNameFrom(proposed)
        if (name !== undefined) expect(problem(name)).toBeUndefined()
      })
    )
  })
})

test('printable shows what a terminal would obey', () => {
  expect(printable('a\u001b[31m\n\tb\u202ec\u0007')).toBe('a\\e[31m\\n\\tb\\u{202e}c\\u{7}')
  expect(printable('plain ünïcode 😀')).toBe('plain ünïcode 😀')
  expect(printable('\ud800')).toBe('\ufffd')
  expect(printableBytes(Buffer.of(0x61, 0xe4, 0x0a))).toBe('a\\xe4\\x0a')
  expect(printableBytes(Buffer.from('ä\n'))).toBe('ä\\n')
})
