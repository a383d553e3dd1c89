/** From the peer benchmark's raw runs to the lines that a person compares: medians, a tool and a number of peers each. */
import { median } from '../lab/format.mjs'

/** @typedef {Record<string, any> & { driver: string, n: number }} Run one raw run, fields as the benchmark names them */
/**
 * @typedef {object} Row
 * @property {string} tool
 * @property {number} n leechers
 * @property {number} runs in which every leecher ended with the right bytes; the medians are of these
 * @property {number} of runs in all
 * @property {string} verified leechers with the right bytes, of all in all runs
 * @property {number | undefined} lastS
 * @property {number | undefined} last over the fluid bound
 * @property {number | undefined} middle the median leecher over the fluid bound
 * @property {number | undefined} copies that left the seeder
 * @property {number | undefined} seederCpuS
 * @property {number | undefined} leecherCpuS of each leecher, its start included
 * @property {number | undefined} seederMib peak of resident memory
 * @property {number | undefined} leecherMib the largest
 * @property {number | undefined} bytesPerSec of a pair
 * @property {number | undefined} busyCores of the whole machine meanwhile
 * @property {number | undefined} ours shoal's last over this tool's, of the same number of peers: below 1, shoal is faster
 */

const OURS = 'shoal'

/** @param {Run} run */
function isWhole(run) {
  return run['completed'] === run.n && run['verified'] === `${run.n}/${run.n}`
}

/**
 * @param {readonly Run[]} runs
 * @returns {Row[]} in the order in which they first came
 */
export function rowsOf(runs) {
  /** @type {Map<string, Run[]>} */
  const groups = new Map()
  for (const run of runs) {
    const key = `${run.n} ${run.driver}`
    groups.set(key, [...(groups.get(key) ?? []), run])
  }
  const rows = [...groups.values()].map(rowOf)
  for (const row of rows) {
    const ours = rows.find(({ tool, n }) => tool === OURS && n === row.n)
    if (row !== ours && ours?.lastS !== undefined && row.lastS !== undefined) row.ours = ours.lastS / row.lastS
  }
  return rows
}

/** @param {Run[]} runs of one tool and number of peers @returns {Row} */
function rowOf(runs) {
  const [{ driver: tool, n } = { driver: '', n: 0 }] = runs
  const whole = runs.filter(isWhole)
  /** @param {string} field */
  const medianOf = field => {
    const values = whole.map(run => run[field]).filter(value => typeof value === 'number')
    return values.length === 0 ? undefined : median(values)
  }
  const right = runs.reduce((sum, run) => sum + Number.parseInt(run['verified'] ?? '0', 10), 0)
  const leechersCpuS = medianOf('leechers_cpu_s')
  const megabytesPerSec = medianOf('mb_per_s')
  return {
    ...{ tool, n, runs: whole.length, of: runs.length, verified: `${right}/${n * runs.length}` },
    lastS: medianOf('last_s'),
    last: medianOf('last_over_bound'),
    middle: medianOf('median_over_bound'),
    copies: medianOf('seeder_sent_over_size'),
    seederCpuS: medianOf('seeder_cpu_s'),
    leecherCpuS: leechersCpuS === undefined ? undefined : leechersCpuS / n,
    seederMib: medianOf('seeder_peak_rss_mib'),
    leecherMib: medianOf('leecher_peak_rss_mib'),
    bytesPerSec: megabytesPerSec === undefined ? undefined : megabytesPerSec * 1e6,
    busyCores: medianOf('machine_busy_cores'),
    ours: undefined
  }
}

/** @typedef {[title: string, cell: (row: Row) => string]} Column */

/** @param {number | undefined} value @param {number} [digits] */
const fixed = (value, digits = 2) => value?.toFixed(digits) ?? '–'

/** @type {Column[]} */
const common = [
  ['seeder CPU s', row => fixed(row.seederCpuS)],
  ['leecher CPU s', row => fixed(row.leecherCpuS)],
  ['leecher MiB', row => fixed(row.leecherMib, 0)],
  ['busy cores', row => fixed(row.busyCores)],
  ['verified', row => row.verified],
  ['shoal / it', row => (row.tool === OURS ? '' : fixed(row.ours))]
]

/** @type {Column[]} */
export const swarmColumns = [
  ['tool', row => row.tool],
  ['N', row => String(row.n)],
  ['last s', row => fixed(row.lastS, 1)],
  ['last / bound', row => fixed(row.last)],
  ['median / bound', row => fixed(row.middle)],
  ['seeder copies', row => fixed(row.copies)],
  ...common
]

/** @type {Column[]} */
export const pairColumns = [
  ['tool', row => row.tool],
  ['s', row => fixed(row.lastS)],
  ['MB/s', row => fixed(row.bytesPerSec === undefined ? undefined : row.bytesPerSec / 1e6, 0)],
  ['seeder MiB', row => fixed(row.seederMib, 0)],
  ...common
]
