/** How a scenario's runs stand to its targets: median over the seeds, and the worst of them. */
import { METRIC_LABELS, METRICS, type MetricName, median, type RunResult } from './metrics.ts'
import type { Scenario, Target } from './scenario.ts'

export interface Judged {
  readonly metric: MetricName
  readonly median: number
  readonly worst: number
  readonly target?: Target
  /** Of the median; undefined where there is no target. */
  readonly isMet?: boolean
}

/** Metrics for which more is better. */
const MORE_IS_BETTER: readonly MetricName[] = ['finished', 'giveGetCorrelation', 'badLiarsBanned', 'stallersSnubbed']

const COUNTS: readonly MetricName[] = ['goodBans', 'stalls', 'unpunishedProofs', 'falsePieces']

/** Each metric that says something, those with a target first. */
export function judge(scenario: Scenario, runs: readonly RunResult[]): Judged[] {
  const ofTargets = scenario.targets.map(({ metric }) => metric)
  return [...new Set([...ofTargets, ...METRICS])].flatMap(metric => {
    const values = runs.flatMap(run => run.metrics[metric] ?? [])
    const middle = median(values)
    if (middle === undefined) return []
    const worst = MORE_IS_BETTER.includes(metric) ? Math.min(...values) : Math.max(...values)
    const target = scenario.targets.find(one => one.metric === metric)
    const isMet =
      target === undefined
        ? undefined
        : middle <= (target.max ?? Number.POSITIVE_INFINITY) && middle >= (target.min ?? Number.NEGATIVE_INFINITY)
    return [{ metric, median: middle, worst, ...(target && { target }), ...(isMet !== undefined && { isMet }) }]
  })
}

export function printTable(scenario: Scenario, runs: readonly RunResult[]): string {
  const wall = median(runs.map(({ wallMs }) => wallMs)) ?? 0
  const bound = (runs[0]?.boundMs ?? 0) / 1000
  const lines = [
    `${scenario.name}: ${scenario.title} (${runs.length} ${runs.length === 1 ? 'seed' : 'seeds'}, bound ${bound.toFixed(1)} s, ${(wall / 1000).toFixed(1)} s a run)`,
    `  ${'metric'.padEnd(36)}${'median'.padStart(9)}${'worst'.padStart(9)}   target`
  ]
  for (const row of judge(scenario, runs)) {
    const mark = row.isMet === undefined ? '' : row.isMet ? 'met' : 'MISSED'
    const cells = `${show(row.metric, row.median).padStart(9)}${show(row.metric, row.worst).padStart(9)}`
    const target = row.target === undefined ? '' : `   ${limits(row.metric, row.target)}  ${mark}`
    lines.push(`  ${METRIC_LABELS[row.metric].padEnd(36)}${cells}${target}`)
  }
  return `${lines.join('\n')}\n\n`
}

/** For docs/swarm.md: a row for each target of the scenario, and how the last finisher and the seeder did. */
export function markdownRows(scenario: Scenario, runs: readonly RunResult[]): string {
  return judge(scenario, runs)
    .filter(({ metric, target }) => target !== undefined || metric === 'lastOverBound' || metric === 'seederCopies')
    .map(({ metric, median: middle, worst, target, isMet }, at) => {
      const name = at === 0 ? scenario.name : ''
      const mark = isMet === undefined ? '' : isMet ? 'met' : '**missed**'
      const cells = [METRIC_LABELS[metric], target === undefined ? '' : limits(metric, target)]
      return `| ${[name, ...cells, show(metric, middle), show(metric, worst), mark].join(' | ')} |\n`
    })
    .join('')
}

export const MARKDOWN_HEAD = '| scenario | what | target | median | worst | |\n| --- | --- | --- | --- | --- | --- |\n'

function limits(metric: MetricName, { min, max }: Target): string {
  return [
    ...(min === undefined ? [] : [`≥ ${show(metric, min)}`]),
    ...(max === undefined ? [] : [`≤ ${show(metric, max)}`])
  ].join(' and ')
}

export function show(metric: MetricName, value: number): string {
  if (!Number.isFinite(value)) return 'never'
  if (metric === 'duplicateShare' || metric === 'wastedShare') return `${(value * 100).toFixed(2)} %`
  if (COUNTS.includes(metric)) return String(value)
  return value.toFixed(metric === 'stalledSeconds' || metric === 'startupSeconds' ? 1 : 3)
}
