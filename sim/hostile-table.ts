/** What one hostile peer costs the others: each kind among honest peers, beside the same peers without it. */
import { HOSTILE_KINDS, type HostileKind } from './hostile.ts'
import { median } from './metrics.ts'
import { runScenario } from './run.ts'
import { parseScenario, type Scenario } from './scenario.ts'

const PEER = { up: 50, down: 200 }
/** More of one kind, for those that are a threat only in numbers. */
const CROWDS: ReadonlyArray<{ kind: HostileKind; count: number }> = [{ kind: 'silent', count: 40 }]

/** 8 honest peers and a seeder, 128 MiB; and whoever else. */
export function hostileScenario(kind: HostileKind | undefined, count = 1): Scenario {
  const hostile = kind === undefined ? [] : [{ ...PEER, count, behaviour: kind }]
  return parseScenario(
    { mib: 128, seeder: PEER, groups: [{ ...PEER, count: 8 }, ...hostile], delayMs: 20, targets: [] },
    kind ?? 'none'
  )
}

interface Row {
  readonly name: string
  /** Medians over the seeds: when the last honest peer and the middle one had all of it. */
  readonly lastMs: number
  readonly medianMs: number
  readonly goodBans: number
}

/** A Markdown table, a row for each kind. */
export function hostileTable(seeds: readonly number[], onRun: (what: string) => void): string {
  const all: ReadonlyArray<{ kind: HostileKind | undefined; count: number }> = [
    { kind: undefined, count: 0 },
    ...HOSTILE_KINDS.map(kind => ({ kind, count: 1 })),
    ...CROWDS
  ]
  const rows = all.map(({ kind, count }) => {
    const row = measure(kind, count, seeds)
    onRun(`${row.name}: ${(row.lastMs / 1000).toFixed(1)} s`)
    return row
  })
  const [alone] = rows
  const cost = (row: Row, of: 'lastMs' | 'medianMs') =>
    row === alone || alone === undefined ? '' : `${(100 * (row[of] / alone[of] - 1)).toFixed(1)} %`
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |\n`
  return [
    line(['hostile peer', 'last, s', 'cost', 'median, s', 'cost', 'good peers banned']),
    line(['---', '---', '---', '---', '---', '---']),
    ...rows.map(row =>
      line([
        row.name,
        seconds(row.lastMs),
        cost(row, 'lastMs'),
        seconds(row.medianMs),
        cost(row, 'medianMs'),
        String(row.goodBans)
      ])
    )
  ].join('')
}

function measure(kind: HostileKind | undefined, count: number, seeds: readonly number[]): Row {
  const runs = seeds.map(seed => runScenario(hostileScenario(kind, Math.max(1, count)), seed))
  const of = (pick: (finished: readonly number[]) => number | undefined) =>
    median(runs.map(({ finishedMs }) => pick(finishedMs) ?? Number.POSITIVE_INFINITY)) ?? Number.POSITIVE_INFINITY
  return {
    name: kind === undefined ? 'none' : count > 1 ? `${count} of ${kind}` : kind,
    lastMs: of(finished => finished.at(-1)),
    medianMs: of(finished => median(finished)),
    goodBans: Math.max(...runs.map(({ metrics }) => metrics.goodBans ?? 0))
  }
}

function seconds(ms: number): string {
  return Number.isFinite(ms) ? (ms / 1000).toFixed(1) : 'never'
}
