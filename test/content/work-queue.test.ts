import { expect, test } from 'vitest'
import { BufferPool } from '../../src/content/buffer-pool.ts'
import { drainQueue } from '../../src/content/work-queue.ts'

const tick = () => new Promise(resolve => setImmediate(resolve))

test('works through what is there and what is added, no more at once than allowed', async () => {
  const queue = [3, 2, 1]
  const done: number[] = []
  let active = 0
  let most = 0
  await drainQueue(queue, 2, async item => {
    active += 1
    most = Math.max(most, active)
    await tick()
    if (item === 2) queue.push(20, 21)
    done.push(item)
    active -= 1
  })
  expect(done.toSorted((a, b) => a - b)).toEqual([1, 2, 3, 20, 21])
  expect(most).toBe(2)
  await drainQueue([], 2, tick as () => Promise<void>)
})

test('a failure ends it, after what was under way has ended', async () => {
  let ended = 0
  const failing = drainQueue([4, 3, 2, 1], 2, async item => {
    if (item === 1) throw new RangeError('one')
    await tick()
    ended += 1
  })
  await expect(failing).rejects.toThrow('one')
  expect(ended).toBe(1)
})

test('a pool makes no more buffers than its limit and hands them on in turn', async () => {
  const pool = new BufferPool(2, 16)
  const first = await pool.take()
  const second = await pool.take()
  expect(first.byteLength).toBe(16)
  const third = pool.take()
  const fourth = pool.take()
  pool.give(first)
  expect(await third).toBe(first)
  pool.give(second)
  expect(await fourth).toBe(second)
  pool.give(first)
  expect(await pool.take()).toBe(first)
})
