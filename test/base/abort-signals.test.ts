import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, test } from 'vitest'
import { combineSignals } from '../../src/base/abort-signals.ts'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void
const turn = () => new Promise(resolve => setImmediate(resolve))

/** As code does that keeps nothing but the result. */
const limited = (ms: number, signal?: AbortSignal) => combineSignals(signal, AbortSignal.timeout(ms))

test('a time runs out though the collector was there: alone, beside others, and within another', async () => {
  const { signal } = new AbortController()
  const all = [limited(100), limited(100, signal), combineSignals(limited(100, signal), signal)]
  const fired = all.map(
    one => new Promise<string>(resolve => one.addEventListener('abort', () => resolve(one.reason.name), { once: true }))
  )
  for (let i = 0; i < 3; i++) {
    await turn()
    collect()
  }
  expect(await Promise.all(fired)).toEqual(['TimeoutError', 'TimeoutError', 'TimeoutError'])
})

test('it fires with the first of them, at once where that fired before', () => {
  const [first, second] = [new AbortController(), new AbortController()]
  const combined = combineSignals(first.signal, undefined, second.signal)
  expect(combined.aborted).toBe(false)
  second.abort(new Error('enough'))
  expect(combined.reason.message).toBe('enough')
  expect(combineSignals(first.signal, second.signal).aborted).toBe(true)
})
