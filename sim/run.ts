/** Runs scenarios and says what came out. */
import { performance } from 'node:perf_hooks'
import type { RunResult } from './metrics.ts'
import type { Scenario } from './scenario.ts'
import { Simulation } from './simulation.ts'

export function runScenario(scenario: Scenario, seed: number): RunResult {
  const began = performance.now()
  const sim = new Simulation(scenario, seed)
  sim.run()
  return {
    scenario: scenario.name,
    seed,
    boundMs: sim.boundMs,
    metrics: sim.observer.metrics(),
    finishedMs: sim.waitedFor
      .map(({ completedAt }) => (completedAt ?? Number.POSITIVE_INFINITY) - sim.startedAt)
      .sort((a, b) => a - b),
    events: sim.events.count,
    wallMs: performance.now() - began,
    hash: sim.hash.hex
  }
}
