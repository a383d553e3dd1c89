/** Honest peers on a link as fast as any: what they say of what they get grows with it, and is no flood. */
import { expect, it } from 'vitest'
import { runScenario } from '../../sim/run.ts'
import { parseScenario } from '../../sim/scenario.ts'

/** Mbit/s. */
const FAST = 10_000

it.each([256, 1024])('at 10 Gbit/s all of it comes, in pieces of %i KiB', pieceKib => {
  const scenario = parseScenario(
    {
      ...{ mib: 6144, pieceKib, delayMs: 0.2, targets: [] },
      ...{ seeder: { up: FAST, down: FAST }, groups: [{ up: FAST, down: FAST, count: 1 }] }
    },
    'fast link'
  )
  const { finishedMs } = runScenario(scenario, 1)
  expect(finishedMs).toHaveLength(1)
  // 5.2 s by the link alone
  expect(finishedMs[0]).toBeLessThan(12_000)
})
