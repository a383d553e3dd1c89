import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { TokenBucket } from '../../src/base/token-bucket.ts'

describe('a token bucket', () => {
  it('lets everything through without a rate', () => {
    const bucket = new TokenBucket(0)
    expect(bucket.take(0, 1e12)).toBe(true)
    expect(bucket.availableAt(5, 1e12)).toBe(5)
  })

  it('says when it will let through', () => {
    const bucket = new TokenBucket(0, 1000, 100)
    expect(bucket.take(0, 100)).toBe(true)
    expect(bucket.take(0, 50)).toBe(false)
    expect(bucket.availableAt(0, 50)).toBe(50)
    expect(bucket.take(50, 50)).toBe(true)
  })

  it('lets through more than the bucket holds, and makes up for it', () => {
    const bucket = new TokenBucket(0, 1000, 100)
    expect(bucket.take(0, 1000)).toBe(true)
    expect(bucket.take(900, 100)).toBe(false)
    expect(bucket.take(1000, 100)).toBe(true)
  })

  it('changes its rate while it runs', () => {
    const bucket = new TokenBucket(0, 1000, 100)
    bucket.take(0, 100)
    bucket.setRate(0, 10_000, 100)
    expect(bucket.availableAt(0, 100)).toBe(5)
    bucket.setRate(0, undefined)
    expect(bucket.take(0, 1e9)).toBe(true)
  })

  it('keeps saved and owed time when its rate is lowered, and bytes when it is raised', () => {
    const bucket = new TokenBucket(0, 1000)
    bucket.take(0, 1250)
    // one second is owed
    bucket.setRate(0, 100)
    expect(bucket.availableAt(0, 1)).toBe(1010)
    bucket.setRate(0, 10_000)
    expect(bucket.availableAt(0, 1)).toBe(11)
    const saved = new TokenBucket(0, 1000)
    saved.setRate(0, 100)
    expect(saved.take(0, 25)).toBe(true)
    expect(saved.allows(0, 1)).toBe(false)
    const raised = new TokenBucket(0, 1000)
    raised.setRate(0, 4000)
    expect(raised.take(0, 250)).toBe(true)
    expect(raised.allows(0, 1)).toBe(false)
  })

  it('begins empty where there was no limit', () => {
    const bucket = new TokenBucket(0)
    bucket.setRate(5000, 1000)
    expect(bucket.take(5000, 1)).toBe(false)
    expect(bucket.take(5001, 1)).toBe(true)
  })

  it('takes back what was not used, up to its burst', () => {
    const bucket = new TokenBucket(0, 1000, 100)
    bucket.take(0, 1000)
    bucket.giveBack(0, 950)
    expect(bucket.allows(0, 50)).toBe(true)
    expect(bucket.allows(0, 51)).toBe(true)
    bucket.giveBack(0, 1e9)
    bucket.take(0, 100)
    expect(bucket.allows(0, 1)).toBe(false)
  })

  it('says when what is owed is paid for, one after the other', () => {
    const bucket = new TokenBucket(0, 100, 4)
    const at: number[] = []
    for (let n = 0; n < 7; n++) {
      at.push(bucket.availableAt(0, 1))
      bucket.owe(0, 1)
    }
    expect(at).toEqual([0, 0, 0, 0, 10, 20, 30])
    expect(bucket.allows(38, 1)).toBe(false)
    expect(bucket.allows(41, 1)).toBe(true)
  })

  it('loses nothing when it is asked late, whatever the size', () => {
    for (const bytes of [10, 100, 250, 10_000]) {
      const bucket = new TokenBucket(0, 1000)
      let [now, taken] = [0, 0]
      while (now < 100_000) {
        while (bucket.take(now, bytes)) taken += bytes
        now = bucket.availableAt(now, bytes) + 100
      }
      expect(taken, `${bytes}`).toBeGreaterThanOrEqual(100_000 - 10_000)
    }
  })

  it('keeps to its rate over any sequence', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1000, max: 1e6 }),
        fc.array(fc.tuple(fc.nat(200), fc.integer({ min: 1, max: 20_000 })), { minLength: 1, maxLength: 200 }),
        (rate, takes) => {
          const bucket = new TokenBucket(0, rate, 5000)
          let now = 0
          let taken = 0
          for (const [wait, bytes] of takes) {
            now += wait
            if (bucket.take(now, bytes)) taken += bytes
            expect(taken).toBeLessThanOrEqual((rate * now) / 1000 + 5000 + 20_000)
          }
        }
      )
    )
  })
})
