import { expect, test } from 'vitest'
import { RecentRate } from '../../src/cli/recent-rate.ts'

test('is that of the last seconds: what came long before does not count', () => {
  const rate = new RecentRate(1000)
  expect(rate.rateAt(1000, 0)).toBe(0)
  expect(rate.rateAt(2000, 1_000_000)).toBe(1_000_000)
  for (let s = 2; s <= 20; s++) rate.rateAt(1000 + s * 1000, 1_000_000 + s * 10)
  expect(rate.rateAt(22_000, 1_000_210)).toBeCloseTo(10)
  // A file that is begun again takes bytes back.
  expect(rate.rateAt(22_100, 0)).toBe(0)
})
