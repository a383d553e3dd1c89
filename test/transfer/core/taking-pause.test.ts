import { expect, test } from 'vitest'
import { TakingPause } from '../../../src/transfer/core/taking-pause.ts'

test('one that can take no more is left alone for a time', () => {
  const pause = new TakingPause()
  pause.declined(0, 1000)
  expect(pause.until).toBe(1250)
  pause.took(0, 1100)
  expect(pause.until).toBe(1250)
})

test('or until half of what was on its way arrived', () => {
  const pause = new TakingPause()
  pause.declined(4_000, 1000)
  pause.took(2_000, 1010)
  expect(pause.until).toBe(1250)
  pause.took(1_999, 1020)
  expect(pause.until).toBe(1020)
  pause.took(500, 1030)
  expect(pause.until).toBe(1020)
})

test('one that let something lapse waits for its time, whatever arrives', () => {
  const pause = new TakingPause()
  pause.declined(4_000, 1000)
  pause.lapsed(8_000, 1100)
  pause.took(0, 1200)
  expect(pause.until).toBe(9_100)
})
