import { expect, it } from 'vitest'
import { TokenBuckets } from '../../src/base/token-buckets.ts'

it('has one bucket a name, and forgets the name that was used longest ago', () => {
  const buckets = new TokenBuckets(1, 2)
  for (let at = 0; at < 4096; at++) expect(buckets.of(`n${at}`, 0).take(0, 1)).toBe(true)
  buckets.of('n0', 0).take(0, 1)
  expect(buckets.of('n0', 0).allows(0, 1)).toBe(false)
  buckets.of('one more', 0)
  // n1 is new again, n0 is not
  expect(buckets.of('n0', 0).allows(0, 1)).toBe(false)
  expect(buckets.of('n1', 0).take(0, 1)).toBe(true)
  expect(buckets.of('n1', 0).take(0, 1)).toBe(true)
})
