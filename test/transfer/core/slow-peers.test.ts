/** Where everybody is slow, nobody is given up for being so: a piece comes about as soon from many as from one. */
import { expect, it } from 'vitest'
import { KIB, MIB } from '../../../src/base/units.ts'
import { ALL, Bench, only } from './bench.ts'
import { MiniSim } from './mini-sim.ts'

it.each([
  [12, MIB, 100_000],
  [1, 256 * KIB, 10_000],
  [2, 256 * KIB, 10_000],
  [12, 256 * KIB, 10_000],
  [2, 256 * KIB, 1024],
  [12, 256 * KIB, 1024]
])('%i seeders, a piece of %i bytes, %i bytes a second each', (count, size, up) => {
  const sim = new MiniSim([size], 5, 2 * KIB)
  for (let at = 0; at < count; at++) sim.add({ id: `s${at}`, has: 'all', up })
  const leecher = sim.add({ id: 'leecher', has: 'none', up: 500_000 })
  const peers = [...sim.nodes.keys()].map(id => ({ id, addrs: [], seeder: false }))
  leecher.post({ type: 'peersFound', peers })
  const startedAt = 1000
  sim.runUntil(() => leecher.completedAt !== undefined, (4 * 1000 * size) / up)
  expect(((leecher.completedAt ?? Number.NaN) - startedAt) / 1000).toBeLessThan((1.3 * size) / up + 2)
  // one is helped by one other at a time
  expect(leecher.receivedBytes).toBeLessThan(2.3 * size)
})

it('of small pieces that come slowly together no part is taken that nobody would be asked for', () => {
  const bench = new Bench('0'.repeat(64), {}, 4 * KIB)
  for (const session of [1, 2]) bench.openPlacer(session, ALL)
  const all = Array.from({ length: 64 }, (_, at) => at)
  expect(only(bench.offer(1, ...all), 'request')).toHaveLength(1)
  for (let at = 0; at < 24; at++) bench.tick(250, [{ session: 1, down: 1500, up: 0 }])
  const half = all.slice(0, 32)
  expect(bench.offer(2, ...half)).toEqual([`2: decline ${half} coming`])
  expect(only(bench.offer(2, ...all), '2: request')).toHaveLength(1)
})
