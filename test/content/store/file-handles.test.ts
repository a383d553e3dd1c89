/** How many files stay open, and for how long. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { DiskFile } from '../../../src/content/store/disk.ts'
import { FileHandles } from '../../../src/content/store/file-handles.ts'
import { IdleHandles } from '../../../src/content/store/idle-handles.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

/** Handles of two roots on one process's files, and which are open. */
function twoRoots(limit: number) {
  const open = new Set<string>()
  const openFile = async (path: string) => {
    open.add(path)
    return { close: async () => void open.delete(path) } as unknown as DiskFile
  }
  const idle = new IdleHandles(limit)
  return { open, roots: [new FileHandles(64, openFile, idle), new FileHandles(64, openFile, idle)] as const }
}

const nothing = async () => {}

test('all roots together keep no more open than the process may', async () => {
  const { open, roots } = twoRoots(10)
  for (let i = 0; i < 20; i++) await roots[i % 2]?.use(`f${i}`, nothing)
  await vi.advanceTimersByTimeAsync(0)
  expect([...open]).toEqual(Array.from({ length: 10 }, (_, i) => `f${i + 10}`))
})

test('one in use stays open whatever others need, and is no longer counted', async () => {
  const { open, roots } = twoRoots(2)
  await roots[0].use('used', async () => {
    for (let i = 0; i < 5; i++) await roots[1].use(`f${i}`, nothing)
    await vi.advanceTimersByTimeAsync(3_600_000)
    expect([...open]).toEqual(['used'])
  })
  await roots[1].use('later', nothing)
  expect([...open]).toEqual(['used', 'later'])
})

test('one that is long unused is closed, so that a deleted file gives its room back', async () => {
  const { open, roots } = twoRoots(10)
  await roots[0].use('a', nothing)
  await roots[0].use('b', nothing)
  await vi.advanceTimersByTimeAsync(16_000)
  expect(open.size).toBe(2)
  await roots[0].use('b', nothing)
  await vi.advanceTimersByTimeAsync(16_000)
  expect([...open]).toEqual(['b'])
  await vi.advanceTimersByTimeAsync(30_000)
  expect(open.size).toBe(0)
  expect(vi.getTimerCount()).toBe(0)
  await roots[0].use('a', nothing)
  expect([...open]).toEqual(['a'])
  await roots[0].closeAll()
  expect(open.size).toBe(0)
  expect(vi.getTimerCount()).toBe(0)
})
