import { expect, test } from 'vitest'
import { parseLimit, parseRate, parseSeconds, parseSize } from '../../src/base/units.ts'

test.each([
  ['60', 60_000],
  ['2.5', 2_500],
  [' 7 ', 7_000],
  ['0.0001', 1],
  ['0.0000000001', 1],
  ['1000000000', 1e12]
])('%j seconds are %d ms', (text, ms) => {
  expect(parseSeconds(text)).toBe(ms)
})

test.each(['0', '0.0', '-1', '1e3', '0x10', 'Infinity', 'NaN', '', ' ', '1 2', '1000000001', '9'.repeat(400), '٣'])(
  '%j is no number of seconds',
  text => {
    expect(() => parseSeconds(text)).toThrow(expect.objectContaining({ code: 'ERR_BAD_NUMBER' }))
  }
)

test.each(['', '0.5', '-1', '1e3', '9007199254740993', '10000T', '1\u212a', '9'.repeat(400), 'none', '0x10', '1KK'])(
  '%j is no rate',
  text => {
    expect(() => parseRate(text)).toThrow(expect.objectContaining({ code: 'ERR_BAD_NUMBER' }))
  }
)

test('no limit is null, in each of its spellings', () => {
  for (const text of ['none', 'UNLIMITED', 'off', '0', '0.00KB/s', ' 0 ']) expect(parseLimit(text)).toBeNull()
  expect(parseLimit('1.5M')).toBe(1_500_000)
})

test('sizes', () => {
  const sizes = ['1', '800000', '500K', '1.5m', '20GB', ' 2T ', '0.001K', '7B']
  expect(sizes.map(parseSize)).toEqual([1, 800_000, 500_000, 1_500_000, 20e9, 2e12, 1, 7])
  expect([parseSize('none'), parseSize(' Unlimited ')]).toEqual([null, null])
  for (const text of ['', '0', '0G', '-1', '0.1', 'lots', '1GiB', '1e9', '1 G', 'G', '1,5G', '9999999T', 'off']) {
    expect(() => parseSize(text)).toThrow(expect.objectContaining({ code: 'ERR_BAD_NUMBER' }))
  }
})
