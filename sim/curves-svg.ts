/** Completion curves: the share of peers that have finished over time, in bounds. One panel a scenario, one line a seed. */
import { median, type RunResult } from './metrics.ts'
import type { Scenario } from './scenario.ts'

const COLUMNS = 3
const PANEL = { width: 360, height: 230 }
const PLOT = { left: 40, top: 40, width: 300, height: 150 }

export function plotCurves(scenarios: readonly Scenario[], results: readonly RunResult[]): string {
  const panels = scenarios
    .map(scenario => ({ scenario, runs: results.filter(run => run.scenario === scenario.name) }))
    .filter(({ runs }) => runs.length > 0)
  const rows = Math.max(1, Math.ceil(panels.length / COLUMNS))
  const width = PANEL.width * Math.min(COLUMNS, Math.max(1, panels.length))
  const body = panels.map(({ scenario, runs }, at) => {
    const x = (at % COLUMNS) * PANEL.width
    const y = Math.floor(at / COLUMNS) * PANEL.height
    return `<g transform="translate(${x} ${y})">${panel(scenario, runs)}</g>`
  })
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${rows * PANEL.height}" font-family="sans-serif" font-size="11">`,
    '<rect width="100%" height="100%" fill="white"/>',
    ...body,
    '</svg>\n'
  ].join('\n')
}

function panel(scenario: Scenario, runs: readonly RunResult[]): string {
  const ends = runs.flatMap(({ finishedMs, boundMs }) => finishedMs.filter(Number.isFinite).map(ms => ms / boundMs))
  const target = scenario.targets.find(({ metric }) => metric === 'lastOverBound')?.max
  const most = Math.max(1.5, (target ?? 0) * 1.05, ...ends.map(end => end * 1.05))
  const x = (value: number) => (PLOT.left + (value / most) * PLOT.width).toFixed(1)
  const y = (share: number) => (PLOT.top + (1 - share) * PLOT.height).toFixed(1)
  const base = PLOT.top + PLOT.height
  const step = most > 5 ? 1 : most > 2.5 ? 0.5 : 0.25
  const parts = [
    `<text x="${PLOT.left}" y="16" font-weight="bold">${escaped(scenario.name)}</text>`,
    `<text x="${PLOT.left}" y="30" fill="#666">${escaped(scenario.title)}</text>`
  ]
  for (let at = 0; at <= most; at += step) {
    parts.push(
      `<line x1="${x(at)}" x2="${x(at)}" y1="${PLOT.top}" y2="${base}" stroke="#eee"/>`,
      `<text x="${x(at)}" y="${base + 14}" text-anchor="middle" fill="#666">${at}</text>`
    )
  }
  for (const share of [0, 0.5, 1]) {
    parts.push(
      `<line x1="${PLOT.left}" x2="${PLOT.left + PLOT.width}" y1="${y(share)}" y2="${y(share)}" stroke="#eee"/>`,
      `<text x="${PLOT.left - 4}" y="${Number(y(share)) + 4}" text-anchor="end" fill="#666">${share * 100} %</text>`
    )
  }
  parts.push(mark(x(1), base, '#2a7', { text: 'bound', anchor: 'end' }))
  if (target !== undefined) parts.push(mark(x(target), base, '#c60', { text: 'target', anchor: 'start' }))
  const last = (run: RunResult) => run.finishedMs.at(-1) ?? Number.POSITIVE_INFINITY
  const middle = median(runs.map(last))
  const typical = [...runs].sort((a, b) => Math.abs(last(a) - (middle ?? 0)) - Math.abs(last(b) - (middle ?? 0)))[0]
  for (const run of runs) if (run !== typical) parts.push(curve(run, '#9bd', 1))
  if (typical !== undefined) parts.push(curve(typical, '#036', 1.8))

  function curve({ finishedMs, boundMs }: RunResult, colour: string, width: number): string {
    let path = `M${x(0)} ${y(0)}`
    for (const [at, ms] of finishedMs.entries()) {
      if (Number.isFinite(ms)) path += `H${x(ms / boundMs)}V${y((at + 1) / finishedMs.length)}`
    }
    return `<path d="${path}" fill="none" stroke="${colour}" stroke-width="${width}"/>`
  }
  parts.push(
    `<text x="${PLOT.left + PLOT.width}" y="${base + 28}" text-anchor="end" fill="#666">time / fluid bound</text>`
  )
  return parts.join('')
}

interface Label {
  readonly text: string
  /** Which side of its line it stands on. */
  readonly anchor: 'start' | 'end'
}

function mark(x: string, base: number, colour: string, { text, anchor }: Label): string {
  const at = Number(x) + (anchor === 'end' ? -4 : 4)
  return [
    `<line x1="${x}" x2="${x}" y1="${PLOT.top}" y2="${base}" stroke="${colour}" stroke-dasharray="4 3"/>`,
    `<text x="${at.toFixed(1)}" y="${PLOT.top + 12}" text-anchor="${anchor}" fill="${colour}">${text}</text>`
  ].join('')
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
