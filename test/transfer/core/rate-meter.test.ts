import { describe, expect, it } from 'vitest'
import { RateMeter } from '../../../src/transfer/core/rate-meter.ts'

describe('a rate meter', () => {
  it('measures an even stream', () => {
    const meter = new RateMeter()
    for (let now = 1000; now < 11_000; now += 50) meter.add(5000, now)
    expect(meter.rate(11_000)).toBeGreaterThan(95_000)
    expect(meter.rate(11_000)).toBeLessThan(105_000)
  })

  it('knows the rate soon after a beginning', () => {
    const meter = new RateMeter()
    for (let now = 50_000; now <= 51_000; now += 50) meter.add(5000, now)
    expect(meter.rate(51_000)).toBeGreaterThan(80_000)
    expect(meter.rate(51_000)).toBeLessThan(120_000)
  })

  it('forgets', () => {
    const meter = new RateMeter()
    meter.add(1e6, 0)
    expect(meter.rate(4000)).toBeGreaterThan(0)
    expect(meter.rate(6000)).toBe(0)
    expect(meter.rate(1e9)).toBe(0)
  })
})
