import { getEventListeners } from 'node:events'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, test } from 'vitest'
import { combineSignals, linkSignals, withLinked } from '../../src/base/abort-signals.ts'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void
const turn = () => new Promise(resolve => setImmediate(resolve))

/** As code does that keeps nothing but the result. */
const limited = (ms: number, signal?: AbortSignal) => combineSignals(signal, AbortSignal.timeout(ms))

test('a time runs out though the collector was there: alone, beside others, and within another', async () => {
  const { signal } = new AbortController()
  const linked = linkSignals(signal, AbortSignal.timeout(100)).signal
  const all = [limited(100), limited(100, signal), combineSignals(limited(100, signal), signal), linked]
  const fired = all.map(
    one => new Promise<string>(resolve => one.addEventListener('abort', () => resolve(one.reason.name), { once: true }))
  )
  for (let i = 0; i < 3; i++) {
    await turn()
    collect()
  }
  expect(await Promise.all(fired)).toEqual(Array(4).fill('TimeoutError'))
})

test('it fires with the first of them, at once where that fired before', () => {
  const [first, second] = [new AbortController(), new AbortController()]
  const combined = combineSignals(first.signal, undefined, second.signal)
  expect(combined.aborted).toBe(false)
  second.abort(new Error('enough'))
  expect(combined.reason.message).toBe('enough')
  expect(combineSignals(first.signal, second.signal).aborted).toBe(true)
})

test('linked signals fire with the first of them, at once where that fired before', () => {
  const [first, second] = [new AbortController(), new AbortController()]
  const { signal } = linkSignals(first.signal, undefined, second.signal)
  expect(signal.aborted).toBe(false)
  second.abort(new Error('enough'))
  expect(signal.reason.message).toBe('enough')
  expect(linkSignals(first.signal, second.signal).signal.reason.message).toBe('enough')
  expect(getEventListeners(first.signal, 'abort')).toEqual([])
})

test('linked signals leave nothing on those they are made of, however the work ends, and warn of no leak meanwhile', async () => {
  const warnings: Error[] = []
  const onWarning = (warning: Error) => warnings.push(warning)
  process.on('warning', onWarning)
  const long = new AbortController()
  const seen: AbortSignal[] = []
  const dependants = () => {
    const symbol = Object.getOwnPropertySymbols(long.signal).find(one => one.description === 'kDependantSignals')
    return (symbol && (long.signal as unknown as Record<symbol, Set<unknown>>)[symbol]?.size) ?? 0
  }
  const works = Array.from({ length: 100 }, (_, n) =>
    withLinked([long.signal, undefined], async signal => {
      seen.push(signal)
      await turn()
      if (n % 2 === 0) throw new Error('failed')
    })
  )
  expect(getEventListeners(long.signal, 'abort')).toHaveLength(100)
  await Promise.allSettled(works)
  expect(getEventListeners(long.signal, 'abort')).toEqual([])
  expect(dependants()).toBe(0)
  long.abort()
  expect(seen.some(({ aborted }) => aborted)).toBe(false)
  await turn()
  process.off('warning', onWarning)
  expect(warnings).toEqual([])
})
