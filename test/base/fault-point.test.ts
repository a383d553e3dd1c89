import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { armed, pointed, withPoints } from '../../src/base/fault-point.ts'

afterEach(() => {
  vi.restoreAllMocks()
})

class Counter {
  #count = 0

  async add(): Promise<number> {
    this.#count += 1
    return this.#count
  }

  peek(): number {
    return this.#count
  }
}

describe('armed', () => {
  it.each([
    ['without variables', { NODE_ENV: 'test' }],
    ['outside tests', { NODE_ENV: 'production', SHOAL_FAULT_POINT: 'disk.rename', SHOAL_FAULT_LOG: '/nowhere/log' }],
    ['without NODE_ENV', { SHOAL_FAULT_POINT: 'disk.rename' }]
  ])('is off %s', (_, env) => {
    expect(armed(env)).toBeUndefined()
  })

  it('kills this process at the nth time, not before', () => {
    const kill = vi.spyOn(process, 'kill').mockReturnValue(true)
    const reach = armed({ NODE_ENV: 'test', SHOAL_FAULT_POINT: 'disk.rename:done@2' })
    for (const name of ['disk.rename:done', 'disk.rename', 'disk.link:done']) reach?.(name)
    expect(kill).not.toHaveBeenCalled()
    reach?.('disk.rename:done')
    expect(kill).toHaveBeenCalledExactlyOnceWith(process.pid, 'SIGKILL')
  })

  it('writes down what is passed', () => {
    const dir = mkdtempSync(join(tmpdir(), 'shoal-points-'))
    try {
      const log = join(dir, 'log')
      const reach = armed({ NODE_ENV: 'test', SHOAL_FAULT_LOG: log })
      reach?.('a.b')
      reach?.('a.b:done')
      expect(readFileSync(log, 'utf8')).toBe('a.b\na.b:done\n')
    } finally {
      rmSync(dir, { recursive: true })
    }
  })
})

describe('points', () => {
  it('leave the target alone when they are off', () => {
    const counter = new Counter()
    expect(pointed(counter, 'counter', ['add'])).toBe(counter)
  })

  it('stand before and after the named methods, and nowhere else', async () => {
    const passed: string[] = []
    const counter = withPoints(new Counter(), {
      prefix: 'counter',
      methods: ['add'],
      reach: name => passed.push(`${name} ${counter.peek()}`)
    })
    expect(await counter.add()).toBe(1)
    expect(passed).toEqual(['counter.add 0', 'counter.add:done 1'])
  })
})
