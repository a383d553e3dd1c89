import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { fromSystemError, ShoalError } from '../../src/base/errors.ts'
import { DiskPause, isDiskTrouble } from '../../src/node/disk-pause.ts'

const FULL = new ShoalError('ERR_NO_SPACE', 'no space left for /disk/a')
const READ_ONLY = new ShoalError('ERR_READ_ONLY', '/disk/a is on a read-only file system')

let told: string[]
let diskSays: ShoalError | undefined
let pause: DiskPause

beforeEach(() => {
  vi.useFakeTimers()
  told = []
  diskSays = FULL
  pause = new DiskPause({
    clock: { now: () => Date.now(), wallMs: () => Date.now() },
    timeoutMs: 20_000,
    probe: async () => {
      told.push('probe')
      if (diskSays !== undefined) throw diskSays
    },
    onChanged: () => told.push(pause.problem?.code ?? 'works'),
    onRetry: () => told.push('retry'),
    onGivenUp: problem => told.push(`given up: ${problem.code}`)
  })
})
afterEach(() => {
  pause.end()
  vi.useRealTimers()
})

describe('a disk that takes nothing', () => {
  it('is told once, however many writes fail', () => {
    for (let i = 0; i < 5; i++) pause.failed(FULL)
    expect(told).toEqual(['ERR_NO_SPACE'])
    expect(pause.isWaiting).toBe(true)
  })

  it('is tried after 1, 2, 4 and 8 s, and given up after the timeout', async () => {
    pause.failed(FULL)
    for (const ms of [1000, 2000, 4000, 8000]) {
      told = []
      await vi.advanceTimersByTimeAsync(ms - 1)
      expect(told).toEqual([])
      await vi.advanceTimersByTimeAsync(1)
      expect(told).toEqual(['probe'])
    }
    told = []
    await vi.advanceTimersByTimeAsync(5000)
    expect(told).toEqual(['probe', 'given up: ERR_NO_SPACE'])
    await vi.advanceTimersByTimeAsync(60_000)
    expect(told.length).toBe(2)
  })

  it('goes on when it works again, and starts afresh at the next failure', async () => {
    pause.failed(FULL)
    await vi.advanceTimersByTimeAsync(1000)
    diskSays = undefined
    await vi.advanceTimersByTimeAsync(2000)
    expect(told).toEqual(['ERR_NO_SPACE', 'probe', 'probe', 'retry'])
    expect([pause.isWaiting, pause.problem?.code]).toEqual([false, 'ERR_NO_SPACE'])
    pause.worked()
    expect(told.at(-1)).toBe('works')
    await vi.advanceTimersByTimeAsync(60_000)
    pause.failed(FULL)
    told = []
    await vi.advanceTimersByTimeAsync(1000)
    expect(told).toEqual(['probe', 'retry'])
  })

  it('that passes each probe and fails each write is given up as well', async () => {
    diskSays = undefined
    pause.failed(FULL)
    for (let s = 0; s < 60; s++) {
      await vi.advanceTimersByTimeAsync(1000)
      if (told.at(-1) === 'retry') pause.failed(FULL)
    }
    expect(told.at(-1)).toBe('given up: ERR_NO_SPACE')
  })

  it('says something else when something else is wrong', async () => {
    pause.failed(FULL)
    diskSays = READ_ONLY
    await vi.advanceTimersByTimeAsync(1000)
    expect(told).toEqual(['ERR_NO_SPACE', 'probe', 'ERR_READ_ONLY'])
  })

  it('is not mended by a write that was under way when another failed', () => {
    pause.failed(FULL)
    pause.worked()
    expect(pause.problem).toBe(FULL)
  })

  it('is told from what no waiting mends', () => {
    expect(isDiskTrouble(READ_ONLY)).toBe(true)
    expect(isDiskTrouble(new ShoalError('ERR_EXISTS', 'there'))).toBe(false)
    expect(isDiskTrouble(new Error('other'))).toBe(false)
    const failed = (code: string) => fromSystemError(Object.assign(new Error(code), { code }), '/disk/a')
    expect(isDiskTrouble(failed('EIO'))).toBe(true)
    for (const code of ['ENAMETOOLONG', 'EILSEQ', 'EFBIG']) expect(isDiskTrouble(failed(code))).toBe(false)
  })
})
