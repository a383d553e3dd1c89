import fc from 'fast-check'
import { expect, test } from 'vitest'
import { INITIAL_WINDOW_BYTES } from '../../../../src/node/transport/yamux/frame.ts'
import { ReceiveWindow } from '../../../../src/node/transport/yamux/receive-window.ts'

const HALF = INITIAL_WINDOW_BYTES / 2

test('half a window is read before the other side is told', () => {
  const window = new ReceiveWindow(INITIAL_WINDOW_BYTES, 0)
  expect(window.arrived(INITIAL_WINDOW_BYTES)).toBe(true)
  expect(window.read(HALF - 1, 1_000, 1)).toBe(0)
  expect(window.read(1, 1_000, 1)).toBe(HALF)
  expect(window.read(HALF, 2_000, 1)).toBe(HALF)
})

test('a byte more than was granted is noticed', () => {
  const window = new ReceiveWindow(INITIAL_WINDOW_BYTES, 0)
  expect(window.arrived(INITIAL_WINDOW_BYTES)).toBe(true)
  expect(window.arrived(1)).toBe(false)
})

test('the window doubles while half of it is read within four round trips, up to its limit', () => {
  const window = new ReceiveWindow(3 * INITIAL_WINDOW_BYTES, 0)
  expect(window.read(HALF, 400, 100)).toBe(HALF + INITIAL_WINDOW_BYTES)
  expect(window.windowBytes).toBe(2 * INITIAL_WINDOW_BYTES)
  // more than four round trips: no growth
  expect(window.read(2 * HALF, 801, 100)).toBe(2 * HALF)
  expect(window.read(2 * HALF, 802, 100)).toBe(2 * HALF + INITIAL_WINDOW_BYTES)
  expect(window.windowBytes).toBe(3 * INITIAL_WINDOW_BYTES)
  expect(window.read(3 * HALF, 803, 100)).toBe(3 * HALF)
})

test('without a measured round trip it grows where a turn of the event loop suffices', () => {
  const slow = new ReceiveWindow(4 * INITIAL_WINDOW_BYTES, 0)
  expect(slow.read(HALF, 11, undefined)).toBe(HALF)
  const fast = new ReceiveWindow(4 * INITIAL_WINDOW_BYTES, 0)
  expect(fast.read(HALF, 10, undefined)).toBe(HALF + INITIAL_WINDOW_BYTES)
})

test('whatever is read and when: what may come never exceeds the limit, and nothing that was read is lost', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(300_000), fc.nat(100)), { maxLength: 60 }), steps => {
      const max = 1024 * 1024
      const window = new ReceiveWindow(max, 0)
      let granted = INITIAL_WINDOW_BYTES
      let now = 0
      for (const [wanted, ms] of steps) {
        const bytes = Math.min(wanted, granted)
        now += ms
        granted -= bytes
        expect(window.arrived(bytes)).toBe(true)
        granted += window.read(bytes, now, 5)
        expect(granted).toBeLessThanOrEqual(max)
        // never stuck: at least half a window is open once everything was read
        expect(granted).toBeGreaterThan(window.windowBytes / 2 - 1)
      }
      expect(window.arrived(granted + 1)).toBe(false)
    })
  )
})
