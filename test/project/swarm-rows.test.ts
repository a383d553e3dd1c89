/** What the table of `npm run bench:swarm` says of the runs that it is made from. */
import { expect, it } from 'vitest'
import { rowsOf, swarmColumns } from '../../scripts/bench/swarm-rows.mjs'

/** A run of four leechers that ended after so many seconds, with ten as the bound. */
const run = (driver: string, lastS: number, more: object = {}) => ({
  driver,
  n: 4,
  completed: 4,
  verified: '4/4',
  last_s: lastS,
  last_over_bound: lastS / 10,
  leechers_cpu_s: 8,
  ...more
})

it('takes medians of a tool and a number of peers, and compares with ours of the same number', () => {
  const rows = rowsOf([
    ...[run('shoal', 12), run('shoal', 11), run('shoal', 15), run('aria2', 16), run('aria2', 14)],
    run('aria2', 99, { n: 8, completed: 8, verified: '8/8' })
  ])
  expect(rows.map(({ tool, n, lastS, ours }) => [tool, n, lastS, ours])).toEqual([
    ['shoal', 4, 12, undefined],
    ['aria2', 4, 15, 0.8],
    ['aria2', 8, 99, undefined]
  ])
  expect(rows[0]).toMatchObject({ runs: 3, of: 3, verified: '12/12', last: 1.2, leecherCpuS: 2 })
})

it('leaves a run out of the medians in which a peer did not end or got wrong bytes', () => {
  const { last_s: _, last_over_bound: __, ...unfinished } = run('shoal', 0, { completed: 3, verified: '3/4' })
  const [row] = rowsOf([run('shoal', 12), unfinished, run('shoal', 5, { verified: '3/4' })])
  expect(row).toMatchObject({ runs: 1, of: 3, verified: '10/12', lastS: 12 })
  const [none] = rowsOf([unfinished])
  expect(none && swarmColumns.map(([, cell]) => cell(none)).slice(0, 4)).toEqual(['shoal', '4', '–', '–'])
})
