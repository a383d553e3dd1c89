import { parseScenario, type Scenario } from '../../sim/scenario.ts'

/** A small one, with whatever fields are given in place of its own. */
export function smallScenario(fields: Record<string, unknown> = {}): Scenario {
  const all = {
    mib: 16,
    seeder: { up: 50, down: 200 },
    groups: [{ count: 4, up: 50, down: 200 }],
    delayMs: 20,
    targets: [],
    ...fields
  }
  return parseScenario(all, 'small')
}
