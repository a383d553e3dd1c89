/** Figures of a soak beside their bounds. */
import { randomBytes } from 'node:crypto'

/**
 * @typedef {object} Figure
 * @property {string} name
 * @property {number} value NaN: could not be measured, which breaks every bound
 * @property {string} [unit]
 * @property {number} [atLeast]
 * @property {number} [atMost]
 */

/** @param {readonly number[]} values @param {number} percent 0 to 100 @returns {number} NaN of nothing */
export function percentile(values, percent) {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.ceil((percent / 100) * sorted.length) - 1)] ?? sorted[0] ?? Number.NaN
}

/** @param {number} part @param {number} whole */
export function fraction(part, whole) {
  return whole === 0 ? Number.NaN : part / whole
}

/**
 * How a series grows: the slope of the least-squares line over its second half, the first being the warm-up.
 * @param {ReadonlyArray<readonly [atMs: number, value: number]>} series in the order of time
 * @returns {number} per hour; NaN of fewer than three points
 */
export function growthPerHour(series) {
  const half = series.slice(Math.floor(series.length / 2))
  if (half.length < 3) return Number.NaN
  const meanAt = half.reduce((sum, [at]) => sum + at, 0) / half.length
  const mean = half.reduce((sum, [, value]) => sum + value, 0) / half.length
  let above = 0
  let below = 0
  for (const [at, value] of half) {
    above += (at - meanAt) * (value - mean)
    below += (at - meanAt) ** 2
  }
  return below === 0 ? Number.NaN : (above / below) * 3_600_000
}

/**
 * @param {ReadonlyArray<readonly [atMs: number, value: number]>} series
 * @returns {number} how much that line rises over the second half
 */
export function growthOverSecondHalf(series) {
  const from = series[Math.floor(series.length / 2)]?.[0] ?? Number.NaN
  const to = series.at(-1)?.[0] ?? Number.NaN
  return (growthPerHour(series) * (to - from)) / 3_600_000
}

/** @returns {number} a seed, drawn */
export const randomSeed = () => randomBytes(4).readUInt32LE()

/**
 * @param {readonly Figure[]} figures
 * @returns {{ rows: string[][], figures: Figure[], isWithin: boolean }}
 */
export function verdicts(figures) {
  let isWithin = true
  const rows = figures.map(({ name, value, unit = '', atLeast, atMost }) => {
    const isBounded = atLeast !== undefined || atMost !== undefined
    const holds = !isBounded || (value >= (atLeast ?? Number.NEGATIVE_INFINITY) && value <= (atMost ?? Infinity))
    if (!holds) isWithin = false
    const bound = [
      ...(atLeast === undefined ? [] : [`at least ${format(atLeast)}`]),
      ...(atMost === undefined ? [] : [`at most ${format(atMost)}`])
    ].join(', ')
    return [name, `${format(value)} ${unit}`.trim(), bound, isBounded ? (holds ? 'ok' : 'BROKEN') : '']
  })
  return { rows, figures: [...figures], isWithin }
}

/** @param {number} value */
function format(value) {
  if (Math.abs(value) >= 100 || Number.isInteger(value)) return Math.round(value).toLocaleString('en')
  return value.toFixed(3)
}
