/** An honest source that is slow, and the only one. */
import { expect, it } from 'vitest'
import { runScenario } from '../../sim/run.ts'
import { parseScenario } from '../../sim/scenario.ts'

/** Mbit/s: 4 KB/s. */
const SLOW = 0.032

it.each([16, 64])('at 4 KB/s gives all of it, in pieces of %i KiB, and is not banned', pieceKib => {
  const scenario = parseScenario(
    {
      ...{ mib: 0.25, pieceKib, delayMs: 50, targets: [] },
      ...{ seeder: { up: SLOW, down: 50 }, groups: [{ up: 50, down: 50, count: 1 }] }
    },
    'slow source'
  )
  const { finishedMs, metrics } = runScenario(scenario, 1)
  expect(finishedMs.length).toBe(1)
  // 64 s by the uplink alone
  expect(finishedMs[0]).toBeLessThan(1.3 * ((0.25 * 2 ** 20) / 4000) * 1000)
  expect(metrics.goodBans).toBe(0)
})
