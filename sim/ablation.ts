/** What each rule of the core is for: the same scenarios without it, beside those with all rules. */
import { RULES, type Rule } from '../src/transfer/core/config.ts'
import { METRIC_LABELS, type MetricName, median, type RunResult } from './metrics.ts'
import { runScenario } from './run.ts'
import type { Scenario } from './scenario.ts'
import { show } from './table.ts'

/** Looked at in each scenario that says something of them. */
const LOOKED_AT: readonly MetricName[] = [
  'lastOverBound',
  'seederCopies',
  'finished',
  'freeRiderShare',
  'giveGetCorrelation',
  'stalls'
]

interface Variant {
  readonly name: string
  readonly change: Partial<Scenario['core']>
}

const VARIANTS: readonly Variant[] = [
  { name: 'all rules', change: {} },
  { name: 'no offers: leechers ask', change: { places: false } },
  ...RULES.map((rule: Rule) => ({ name: `without ${rule}`, change: { without: [rule] } }))
]

/** A Markdown table, a row for each variant, medians over the seeds. */
export function ablate(
  scenarios: readonly Scenario[],
  seeds: readonly number[],
  onRun: (what: string) => void
): string {
  const columns = scenarios.flatMap(scenario => LOOKED_AT.map(metric => ({ scenario, metric })))
  const rows = VARIANTS.map(({ name, change }) => {
    const results = new Map<string, RunResult[]>()
    for (const scenario of scenarios) {
      const changed = { ...scenario, core: { ...scenario.core, ...change } }
      results.set(
        scenario.name,
        seeds.map(seed => runScenario(changed, seed))
      )
      onRun(`${scenario.name}, ${name}`)
    }
    const cells = columns.map(({ scenario, metric }) => {
      const value = median((results.get(scenario.name) ?? []).map(({ metrics }) => metrics[metric]))
      return value === undefined ? undefined : show(metric, value)
    })
    return { name, cells }
  })
  const isShown = (at: number) => isTelling(columns[at]?.metric, rows[0]?.cells[at], columns[at]?.scenario)
  const kept = columns.map((_, at) => at).filter(isShown)
  const line = (cells: ReadonlyArray<string | undefined>) => `| ${cells.map(cell => cell ?? '').join(' | ')} |\n`
  return [
    line(['', ...kept.map(at => `${columns[at]?.scenario.name}: ${METRIC_LABELS[columns[at]?.metric ?? 'finished']}`)]),
    line(['---', ...kept.map(() => '---')]),
    ...rows.map(({ name, cells }) => line([name, ...kept.map(at => cells[at])]))
  ].join('')
}

/** The last finisher always, the others where the scenario has a target for them. */
function isTelling(metric: MetricName | undefined, value: string | undefined, scenario: Scenario | undefined): boolean {
  if (metric === undefined || value === undefined || scenario === undefined) return false
  return metric === 'lastOverBound' || scenario.targets.some(target => target.metric === metric)
}
