/** `npm run simulate -- [scenario…]`: runs scenarios over seeds and prints how they stand to their targets. */
import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { ablate } from './ablation.ts'
import { plotCurves } from './curves-svg.ts'
import { hostileTable } from './hostile-table.ts'
import type { RunResult } from './metrics.ts'
import { runScenario } from './run.ts'
import { parseCore, parseUploader, readScenario, type Scenario } from './scenario.ts'
import { judge, MARKDOWN_HEAD, markdownRows, printTable } from './table.ts'

const FOLDER = join(process.cwd(), 'sim/scenarios')

const USAGE = `usage: npm run simulate -- [SCENARIO…] [options]

  SCENARIO         names of files in sim/scenarios, or paths of JSON files; default all
  --seeds N        runs of each, with seeds 1 to N (10)
  --seed N         this seed alone
  --json FILE      all results, machine-readable
  --svg FILE       completion curves, one panel a scenario
  --markdown FILE  the table of docs/swarm.md
  --core KEY=VALUE a setting of the core in place of its default (see src/transfer/core/config.ts); may be repeated
  --uploader KEY=N the same for the uploader: slots, maxReads, maxReadsPerSession
  --ablate         in place of the tables: each scenario without one rule of the core after the other, as Markdown
  --hostile        in place of the tables: what one hostile peer of each kind costs eight honest ones, as Markdown
  --list           the scenarios
`

function main(): number {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      seeds: { type: 'string', default: '10' },
      seed: { type: 'string' },
      json: { type: 'string' },
      svg: { type: 'string' },
      markdown: { type: 'string' },
      core: { type: 'string', multiple: true, default: [] },
      uploader: { type: 'string', multiple: true, default: [] },
      ablate: { type: 'boolean', default: false },
      hostile: { type: 'boolean', default: false },
      list: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false }
    }
  })
  if (values.help) {
    process.stdout.write(USAGE)
    return 0
  }
  const known = readdirSync(FOLDER)
    .filter(file => file.endsWith('.json'))
    .map(file => file.slice(0, -'.json'.length))
    .sort(byNumbers)
  const core = parseCore(Object.fromEntries(values.core.map(setting)))
  const uploader = parseUploader(Object.fromEntries(values.uploader.map(setting)))
  const scenarios = (positionals.length === 0 ? known : positionals).map((name): Scenario => {
    const path = known.includes(name) ? join(FOLDER, `${name}.json`) : name
    if (path === name && !name.endsWith('.json')) throw new Error(`no scenario ${name}: there are ${known.join(', ')}`)
    const scenario = readScenario(path, name)
    return { ...scenario, core: { ...scenario.core, ...core }, uploader: { ...scenario.uploader, ...uploader } }
  })
  if (values.list) {
    for (const { name, title } of scenarios) process.stdout.write(`${name.padEnd(16)}${title}\n`)
    return 0
  }
  const seeds =
    values.seed === undefined
      ? Array.from({ length: count(values.seeds, '--seeds') }, (_, at) => at + 1)
      : [count(values.seed, '--seed')]
  if (values.hostile) {
    process.stdout.write(hostileTable(seeds, what => process.stderr.write(`${what}\n`)))
    return 0
  }
  if (values.ablate) {
    process.stdout.write(ablate(scenarios, seeds, what => process.stderr.write(`${what}\n`)))
    return 0
  }
  const results: RunResult[] = []
  for (const scenario of scenarios) {
    const runs = seeds.map(seed => {
      const result = runScenario(scenario, seed)
      process.stderr.write(`${scenario.name} seed ${seed}: ${(result.wallMs / 1000).toFixed(1)} s\n`)
      return result
    })
    results.push(...runs)
    process.stdout.write(printTable(scenario, runs))
    save()
  }

  function save(): void {
    const done = scenarios
      .map(scenario => ({ scenario, runs: results.filter(run => run.scenario === scenario.name) }))
      .filter(({ runs }) => runs.length > 0)
    const judged = done.map(({ scenario, runs }) => ({ scenario, metrics: judge(scenario, runs) }))
    if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify({ judged, results }, undefined, 2)}\n`)
    if (values.markdown !== undefined) {
      const rows = done.map(({ scenario, runs }) => markdownRows(scenario, runs))
      writeFileSync(values.markdown, `${MARKDOWN_HEAD}${rows.join('')}`)
    }
    if (values.svg !== undefined) writeFileSync(values.svg, plotCurves(scenarios, results))
  }
  return 0
}

function setting(text: string): [string, unknown] {
  const at = text.indexOf('=')
  if (at < 1) throw new Error(`${text}: not KEY=VALUE`)
  return [text.slice(0, at), JSON.parse(text.slice(at + 1))]
}

function count(text: string, option: string): number {
  const n = Number(text)
  if (!Number.isSafeInteger(n) || n < 1) throw new Error(`${option} ${text}: not a whole number above 0`)
  return n
}

/** equal-8 before equal-16. */
function byNumbers(a: string, b: string): number {
  return a.localeCompare(b, 'en', { numeric: true })
}

try {
  process.exitCode = main()
} catch (err) {
  process.stderr.write(`${err instanceof Error ? err.message : String(err)}\n\n${USAGE}`)
  process.exitCode = 2
}
