import { expect, test } from 'vitest'
import { ElapsedClock } from '../../src/base/elapsed-clock.ts'

function clocks(wallMs: number) {
  const time = { monotonic: 50, wall: wallMs }
  return { time, elapsed: new ElapsedClock({ now: () => time.monotonic, wallMs: () => time.wall }) }
}

test('it goes with the clocks, leaps with the wall clock, and never back', () => {
  const { time, elapsed } = clocks(1_000)
  expect(elapsed.nowMs()).toBe(1_000)
  time.monotonic += 10
  time.wall += 10
  expect(elapsed.nowMs()).toBe(1_010)
  time.wall -= 900
  expect(elapsed.nowMs()).toBe(1_010)
  time.monotonic += 5
  time.wall += 5
  expect(elapsed.nowMs()).toBe(1_015)
  // asleep: the monotonic clock stands
  time.wall += 500
  expect(elapsed.nowMs()).toBe(1_515)
})

test('a wall-clock time of the past is as long ago on it, whatever the clock did', () => {
  const { time, elapsed } = clocks(1_000)
  time.wall -= 400
  expect(elapsed.nowMs() - elapsed.fromWallMs(time.wall - 100)).toBe(100)
})
