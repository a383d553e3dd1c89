import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { plotCurves } from '../../sim/curves-svg.ts'
import type { RunResult } from '../../sim/metrics.ts'
import { runScenario } from '../../sim/run.ts'
import { readScenario } from '../../sim/scenario.ts'
import { judge, printTable } from '../../sim/table.ts'
import { smallScenario } from './small-scenario.ts'

const folder = fileURLToPath(new URL('../../sim/scenarios/', import.meta.url))
const files = readdirSync(folder)

describe('scenario files', () => {
  it('cover the rows of the plan', () => {
    expect(files.length).toBeGreaterThanOrEqual(13)
  })

  it.each(files)('%s is read, and limits duplicate bytes', file => {
    const scenario = readScenario(`${folder}${file}`, file)
    expect(scenario.targets.find(({ metric }) => metric === 'duplicateShare')?.max).toBe(0.01)
  })

  it.each([
    [{ mib: 0 }, /mib is not above 0/],
    [{ groups: [{ count: 1, up: 1, down: 1, behaviour: 'nice' }] }, /groups\[0\]\.behaviour/],
    [{ targets: [{ metric: 'speed' }] }, /targets\[0\]\.metric/],
    [{ core: { regularSlots: 'many' } }, /core\.regularSlots/],
    [{ core: { slots: 1 } }, /unknown field slots/],
    [{ speed: 1 }, /unknown field speed/],
    [{ churnPerMinute: 2 }, /churnPerMinute/]
  ])('a wrong field is named: %j', (fields, message) => {
    expect(() => smallScenario(fields)).toThrow(message)
  })
})

describe('what is printed and drawn', () => {
  const scenario = smallScenario({
    mib: 4,
    title: 'small & <quick>',
    targets: [
      { metric: 'lastOverBound', max: 1 },
      { metric: 'finished', min: 1 }
    ]
  })
  const runs = [1, 2, 3].map(seed => runScenario(scenario, seed))

  it('the table has median and worst, and marks what is missed', () => {
    const rows = judge(scenario, runs)
    expect(rows.slice(0, 2).map(({ metric, isMet }) => [metric, isMet])).toEqual([
      ['lastOverBound', false],
      ['finished', true]
    ])
    const values = runs.map(({ metrics }) => metrics.lastOverBound ?? 0).sort((a, b) => a - b)
    expect(rows[0]).toMatchObject({ median: values[1], worst: values[2] })
    const table = printTable(scenario, runs)
    expect(table).toMatch(/last \/ bound .*≤ 1\.000 {2}MISSED/)
    expect(table).toMatch(/share that finished .*≥ 1\.000 {2}met/)
  })

  it('a run that did not finish is worse than any that did', () => {
    const never = Number.POSITIVE_INFINITY
    const failed = runs.map((run): RunResult => ({ ...run, metrics: { ...run.metrics, lastOverBound: never } }))
    expect(judge(scenario, failed)[0]).toMatchObject({ median: never, isMet: false })
    expect(printTable(scenario, failed)).toContain('never')
  })

  it('the plot has a panel a scenario and a curve a run', () => {
    const svg = plotCurves([scenario], runs)
    expect(svg).toContain('small &amp; &lt;quick&gt;')
    expect(svg.match(/<path /g)).toHaveLength(3)
    expect(svg).not.toMatch(/NaN|Infinity/)
  })
})
