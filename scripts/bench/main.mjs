/**
 * Measures the built program on this machine, beside yardsticks measured in the same run.
 *
 *     npm run bench -- [--repeat N] [--big] [--json FILE]
 *                  [--only hash,pair,four,startup,many,big,limits,hostile,hostile-rest,peers-pair,…]
 *
 * Prints a table of medians. Nothing else should be running. Takes some 3 GiB below the temporary folder, with `--big`
 * some 9 GiB more. `limits`, `hostile` and `hostile-rest` run only when they are named, and take some minutes a run.
 * Those named `peers-…` compare with other tools by the peer benchmark that PEERBENCH names, and need root; without it
 * they are left out.
 */
import { writeFileSync } from 'node:fs'
import { cpus, loadavg, totalmem } from 'node:os'
import { parseArgs } from 'node:util'
import { formatBytes, formatTable, median } from '../lab/format.mjs'
import { Lab } from '../lab/lab.mjs'
import { bigMeasures, measures, namedMeasures } from './measures.mjs'
import { CannotRun } from './peerbench.mjs'
import { checkPeers, peerMeasures } from './peers.mjs'

/** @typedef {import('./measures.mjs').Row} Row */
/** @typedef {{ row: Row, values: number[], yardsticks: number[] }} Series */

/** Of the load average; nothing else should be running. */
const BUSY_LOAD = 0.5

const { values: options } = parseArgs({
  options: {
    repeat: { type: 'string', default: '3' },
    only: { type: 'string' },
    big: { type: 'boolean', default: false },
    json: { type: 'string' }
  }
})
const repeat = Number(options.repeat)
const known = [...measures, ...bigMeasures, ...namedMeasures, ...peerMeasures]
const names = options.only?.split(',')
const chosen =
  names === undefined
    ? [...measures, ...(options.big ? bigMeasures : []), ...peers()]
    : known.filter(({ name }) => names.includes(name))
const unknown = names?.filter(name => !known.some(measure => measure.name === name)) ?? []
if (!Number.isInteger(repeat) || repeat < 1 || unknown.length > 0) {
  console.error(
    `bench: --repeat takes a whole number above 0, --only some of ${known.map(({ name }) => name).join(',')}`
  )
  process.exit(2)
}

/** Those beside other tools, where they can run. */
function peers() {
  try {
    console.log(`The peer benchmark: ${checkPeers()}.`)
    return peerMeasures
  } catch (err) {
    if (!(err instanceof CannotRun)) throw err
    console.log(`Without other tools: ${err.message}.`)
    return []
  }
}

const machine = {
  node: process.version,
  platform: `${process.platform}-${process.arch}`,
  cpu: cpus()[0]?.model.trim() ?? 'unknown',
  cores: cpus().length,
  memoryBytes: totalmem(),
  /** Over the last minute, before anything of this ran. */
  loadBefore: loadavg()[0] ?? Number.NaN
}

/** @param {number | undefined} value @param {Row['unit']} unit */
function format(value, unit) {
  if (value === undefined || Number.isNaN(value)) return '–'
  if (unit === 'ms') return value < 1000 ? `${Math.round(value)} ms` : `${(value / 1000).toFixed(2)} s`
  return unit === 'B' ? `${(value / (1 << 20)).toFixed(0)} MiB` : `${formatBytes(value)}/s`
}

/** @param {Series} series */
function summary({ row, values, yardsticks }) {
  const value = median(values)
  const yardstick = yardsticks.length === 0 ? undefined : median(yardsticks)
  const { atLeast = Number.NEGATIVE_INFINITY, atMost = Number.POSITIVE_INFINITY } = row.floor ?? {}
  const ratio = yardstick === undefined ? undefined : value / yardstick
  const { atLeast: ratioAtLeast = Number.NEGATIVE_INFINITY, atMost: ratioAtMost = Number.POSITIVE_INFINITY } =
    row.ratio ?? {}
  const isRatioMet = ratio === undefined || (ratio >= ratioAtLeast && ratio <= ratioAtMost)
  return {
    ...{ what: row.what, unit: row.unit, value, values, yardstick: row.yardstick, yardstickValue: yardstick },
    ratio,
    floor: row.floor,
    ratioFloor: row.ratio,
    met:
      row.floor === undefined && row.ratio === undefined ? undefined : value >= atLeast && value <= atMost && isRatioMet
  }
}

/** @type {Map<string, Series>} */
const all = new Map()
const lab = new Lab('shoal-bench')
console.log(`${machine.cores} × ${machine.cpu}, ${machine.platform}, Node ${machine.node}; medians of ${repeat}`)
if (machine.loadBefore > BUSY_LOAD) {
  console.log(`The machine is busy (load ${machine.loadBefore.toFixed(1)}): times and rates are worth little.`)
}

const ok = await lab.main({
  timeoutMs: 3_600_000,
  onFailure: err => {
    console.error(`bench: ${err instanceof Error ? err.message : err}`)
  },
  work: async () => {
    for (const measure of chosen) {
      await measure.prepare?.(lab)
      for (let i = 1; i <= repeat; i++) {
        process.stderr.write(`${measure.name} ${i}/${repeat}\n`)
        for (const row of await measure.run(lab)) {
          const series = all.get(row.what) ?? { row, values: [], yardsticks: [] }
          all.set(row.what, series)
          series.values.push(row.value)
          if (row.yardstickValue !== undefined) series.yardsticks.push(row.yardstickValue)
        }
      }
    }
  }
})

const rows = [...all.values()].map(summary)
const table = rows.map(({ what, unit, value, yardstick, yardstickValue, ratio, floor, ratioFloor, met }) => {
  const { atLeast, atMost } = floor ?? {}
  const bound = [
    ...(atLeast === undefined ? [] : [`≥ ${format(atLeast, unit)}`]),
    ...(atMost === undefined ? [] : [`≤ ${format(atMost, unit)}`]),
    ...(ratioFloor?.atLeast === undefined ? [] : [`≥ ${ratioFloor.atLeast} ×`]),
    ...(ratioFloor?.atMost === undefined ? [] : [`≤ ${ratioFloor.atMost} ×`])
  ].join(', ')
  const compared = yardstick === undefined ? '' : `${format(yardstickValue, unit)} ${yardstick}`
  return [
    what,
    format(value, unit),
    bound,
    met === undefined ? '' : met ? 'yes' : 'NO',
    ratio?.toFixed(2) ?? '',
    compared
  ]
})
console.log(`\n${formatTable(['what', 'median', 'floor', 'met', 'ratio', 'yardstick'], table).join('\n')}`)
if (options.json !== undefined) {
  writeFileSync(options.json, `${JSON.stringify({ machine, repeat, rows }, null, 2)}\n`)
}
process.exit(ok ? 0 : Number(process.exitCode) || 1)
