/** Everybody plays the same file: readers must not stall, whatever else changes. */
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { runScenario } from '../../sim/run.ts'
import { readScenario } from '../../sim/scenario.ts'

const scenario = readScenario(
  fileURLToPath(new URL('../../sim/scenarios/streaming.json', import.meta.url)),
  'streaming'
)

it.each([1, 2, 3])('sixteen readers of one file hardly ever stall (seed %i)', seed => {
  // without what each is told of the others' wishes it is some 80
  expect(runScenario(scenario, seed).metrics['stalls']).toBeLessThanOrEqual(5)
})
