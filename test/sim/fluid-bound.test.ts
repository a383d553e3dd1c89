import { describe, expect, it } from 'vitest'
import { fluidBoundMs } from '../../sim/fluid-bound.ts'
import { correlation, median } from '../../sim/metrics.ts'

const peer = (up: number, down: number, joinedMs = 0) => ({ up, down, joinedMs })

describe('the fluid bound', () => {
  it('is the formula of Kumar and Ross where all come at once', () => {
    expect(fluidBoundMs(1000, 10, [peer(10, 100), peer(10, 100)])).toBe(100)
    expect(fluidBoundMs(1000, 10, [peer(10, 100), peer(10, 4)])).toBe(250)
    // N·F / (u_s + Σu): 4 × 1000 / (10 + 6)
    expect(fluidBoundMs(1000, 10, [peer(0, 100), peer(2, 100), peer(2, 100), peer(2, 100)])).toBe(250)
  })

  it('counts an uplink from when it comes, and what latecomers need from when they come', () => {
    // 10 a ms for 100 ms, then 20: 2000 bytes in 150 ms
    expect(fluidBoundMs(1000, 10, [peer(0, 100), peer(10, 100, 100)])).toBe(150)
    expect(fluidBoundMs(1000, 10, [peer(0, 100), peer(0, 100, 500)])).toBe(600)
    expect(fluidBoundMs(1000, 100, [peer(100, 10, 500)])).toBe(600)
  })

  it('waits only for those it is told to', () => {
    expect(fluidBoundMs(1000, 10, [peer(10, 100), { ...peer(0, 1), isWaitedFor: false }])).toBe(100)
  })
})

describe('what is made of numbers', () => {
  it('medians', () => {
    expect(median([3, undefined, 1, 2])).toBe(2)
    expect(median([4, 1, 2, 3])).toBe(2.5)
    expect(median([Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY])).toBe(Number.POSITIVE_INFINITY)
    expect(median([])).toBeUndefined()
  })

  it('correlations', () => {
    expect(
      correlation([
        [1, 2],
        [2, 4],
        [3, 6]
      ])
    ).toBeCloseTo(1, 12)
    expect(
      correlation([
        [1, 6],
        [2, 4],
        [3, 2]
      ])
    ).toBeCloseTo(-1, 12)
    expect(
      correlation([
        [1, 6],
        [1, 4]
      ])
    ).toBeUndefined()
  })
})
