/** Downloads that once hung for ever, whole swarms on virtual time; the seeds are those that found it. */
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { runScenario } from '../../sim/run.ts'
import { readScenario } from '../../sim/scenario.ts'

const scenario = readScenario(
  fileURLToPath(new URL('../../sim/scenarios/bad-and-stalled.json', import.meta.url)),
  'bad-and-stalled'
)

it.each([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])('a piece that failed does not stay with a staller (seed %i)', seed => {
  expect(runScenario(scenario, seed).finishedMs.filter(ms => !Number.isFinite(ms))).toEqual([])
})
