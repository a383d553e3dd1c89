import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { KeepAlive } from '../../../../src/node/transport/yamux/keep-alive.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

it('says how long an answer has been waited for', async () => {
  const asked: number[] = []
  const kept = new KeepAlive(30_000, id => asked.push(id))
  expect(kept.unansweredMs).toBe(0)
  kept.start()
  await vi.advanceTimersByTimeAsync(100)
  expect(asked).toEqual([0])
  expect(kept.unansweredMs).toBe(100)
  expect(kept.answered(0)).toBe(true)
  expect(kept.unansweredMs).toBe(0)
  await vi.advanceTimersByTimeAsync(29_900 + 40_000)
  // one at a time
  expect(asked).toEqual([0, 1])
  expect(kept.unansweredMs).toBe(40_000)
  kept.stop()
})
