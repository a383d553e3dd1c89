import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { RateLimiter } from '../../../src/transfer/io/rate-limiter.ts'

const clock = { now: () => Date.now(), wallMs: () => Date.now() }

describe('RateLimiter', () => {
  beforeEach(() => {
    vi.useFakeTimers()
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  it('lets everything through without a limit', () => {
    const limiter = new RateLimiter(clock)
    for (let i = 0; i < 1000; i++) expect(limiter.take(1e9, () => {})).toBe(true)
  })

  it('keeps a rate within 3 % over ten seconds', () => {
    const limiter = new RateLimiter(clock, 1_000_000)
    let taken = 0
    const next = () => {
      taken += 16_384
      while (limiter.take(16_384, next)) taken += 16_384
    }
    while (limiter.take(16_384, next)) taken += 16_384
    vi.advanceTimersByTime(10_000)
    expect(taken).toBeGreaterThan(10_000_000 * 0.97)
    expect(taken).toBeLessThan(10_000_000 * 1.03 + 250_000)
    limiter.stop()
  })

  it('serves waiters in turn, and not one that gave up', () => {
    const limiter = new RateLimiter(clock, 1000)
    while (limiter.take(250, () => {})) {
      // drain the burst
    }
    const order: string[] = []
    const b = () => order.push('b')
    limiter.take(100, () => order.push('a'))
    limiter.take(100, b)
    limiter.take(100, () => order.push('c'))
    limiter.cancel(b)
    vi.advanceTimersByTime(5_000)
    expect(order).toEqual(['a', 'c'])
  })

  it('lets waiters go at once when the limit is lifted', () => {
    const limiter = new RateLimiter(clock, 10)
    let went = 0
    while (limiter.take(100, () => went++)) {
      // drain the burst
    }
    limiter.take(1_000_000, () => went++)
    limiter.setRate(undefined)
    expect(went).toBe(2)
  })
})
