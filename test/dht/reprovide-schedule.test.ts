import fc from 'fast-check'
import { expect, test } from 'vitest'
import { seededRandom } from '../../src/base/random.ts'
import { RECORD_VALIDITY_MS } from '../../src/dht/kad.ts'
import {
  JITTER_MS,
  REPROVIDE_EVERY_MS,
  ReprovideSchedule,
  SPREAD_EACH_MS,
  SPREAD_MAX_MS
} from '../../src/dht/reprovide-schedule.ts'

const HOUR = 3_600_000
const NOW = 1_800_000_000_000

const schedule = () => new ReprovideSchedule(seededRandom(7))

test('two missed turns still leave hours before a record expires', () => {
  expect(2 * REPROVIDE_EVERY_MS).toBeLessThan(RECORD_VALIDITY_MS)
})

test('what is added is due at once, and again in 21 to 22 hours', () => {
  const plan = schedule()
  plan.now('a', NOW)
  expect(plan.nextMs()).toBe(NOW)
  expect(plan.take(NOW)).toBe('a')
  expect(plan.take(NOW)).toBeUndefined()
  expect(plan.nextMs()).toBeNull()
  plan.succeeded('a', NOW + 5)
  const next = plan.nextMs() ?? 0
  expect(next).toBeGreaterThan(NOW + 5 + REPROVIDE_EVERY_MS - JITTER_MS)
  expect(next).toBeLessThanOrEqual(NOW + 5 + REPROVIDE_EVERY_MS)
  expect(plan.take(next - 1)).toBeUndefined()
  expect(plan.take(next)).toBe('a')
})

test('after a restart the fresh wait, the overdue are spread over minutes, the never announced among them', () => {
  const plan = schedule()
  const announced = new Map([
    ['fresh', NOW - HOUR],
    ['never', 0],
    ['clock was wrong', NOW + 5 * HOUR],
    ...Array.from({ length: 97 }, (_, i) => [`old ${i}`, NOW - 23 * HOUR] as const)
  ])
  plan.restore(announced, NOW)
  const taken = new Set<string>()
  for (let t = NOW; t <= NOW + 99 * SPREAD_EACH_MS; t += 100) {
    for (let cid = plan.take(t); cid !== undefined; cid = plan.take(t)) taken.add(cid)
    if (t === NOW + 1_000) expect(taken.size).toBeLessThan(20)
  }
  expect(taken.size).toBe(99)
  expect(taken.has('fresh')).toBe(false)
  expect(plan.nextMs()).toBeGreaterThan(NOW + 19 * HOUR)
})

test('ten thousand overdue are spread over no more than a quarter of an hour', () => {
  const plan = schedule()
  plan.restore(new Map(Array.from({ length: 10_000 }, (_, i) => [String(i), 0])), NOW)
  let count = 0
  while (plan.take(NOW + SPREAD_MAX_MS) !== undefined) if (++count > 50) break
  expect(plan.nextMs()).toBeLessThanOrEqual(NOW + SPREAD_MAX_MS)
})

test('failures back off from half a minute to half an hour, and success forgets them', () => {
  const plan = schedule()
  plan.now('a', NOW)
  const waits: number[] = []
  let now = NOW
  for (let i = 0; i < 10; i++) {
    expect(plan.take(now)).toBe('a')
    plan.failed('a', now)
    const next = plan.nextMs() ?? 0
    waits.push(next - now)
    now = next
  }
  expect(waits[0]).toBeGreaterThanOrEqual(22_500)
  expect(waits[0]).toBeLessThanOrEqual(37_500)
  expect(waits[9]).toBeLessThanOrEqual(37.5 * 60_000)
  expect(waits[9]).toBeGreaterThanOrEqual(22.5 * 60_000)
  expect(plan.take(now)).toBe('a')
  plan.succeeded('a', now)
  plan.now('a', now)
  plan.take(now)
  plan.failed('a', now)
  expect((plan.nextMs() ?? 0) - now).toBeLessThanOrEqual(37_500)
})

test('whatever happens, each CID is due, running or gone, and none is run twice at once', () => {
  const step = fc.record({ op: fc.constantFrom('now', 'take', 'ok', 'fail', 'remove', 'wait'), cid: fc.nat(4) })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), steps => {
      const plan = schedule()
      const known = new Set<string>()
      const running = new Set<string>()
      let now = NOW
      for (const { op, cid: index } of steps) {
        const cid = String(index)
        if (op === 'now') {
          plan.now(cid, now)
          known.add(cid)
        } else if (op === 'take') {
          const taken = plan.take(now)
          if (taken !== undefined) {
            expect(known.has(taken)).toBe(true)
            expect(running.has(taken)).toBe(false)
            running.add(taken)
          }
        } else if (op === 'ok' && running.delete(cid)) plan.succeeded(cid, now)
        else if (op === 'fail' && running.delete(cid)) plan.failed(cid, now)
        else if (op === 'remove') {
          plan.remove(cid)
          known.delete(cid)
          running.delete(cid)
        } else if (op === 'wait') now += HOUR
        expect(plan.size).toBe(known.size)
        expect(plan.nextMs() === null).toBe(known.size === running.size)
      }
    })
  )
})

test('when all are due at once, what is running is again when it has ended, once', () => {
  const plan = schedule()
  for (const cid of ['running', 'waiting']) plan.now(cid, NOW)
  expect(plan.take(NOW)).toBe('running')
  plan.allNow(NOW + 1)
  expect(plan.take(NOW + 1)).toBe('waiting')
  expect(plan.take(NOW + 1)).toBeUndefined()
  expect(plan.succeeded('running', NOW + 2)).toBe(false)
  expect(plan.succeeded('waiting', NOW + 2)).toBe(true)
  expect(plan.take(NOW + 2)).toBe('running')
  expect(plan.succeeded('running', NOW + 3)).toBe(true)
  expect(plan.take(NOW + 3)).toBeUndefined()
})
