/** What is measured in one run. Infinite where those waited for did not finish; undefined where it says nothing. */

export const METRICS = [
  'finished',
  'lastOverBound',
  'medianOverBound',
  'seederCopies',
  'duplicateShare',
  'wastedShare',
  'giveGetCorrelation',
  'freeRiderShare',
  'goodBans',
  'badLiarsBanned',
  'unpunishedProofs',
  'falsePieces',
  'stallersSnubbed',
  'stalls',
  'stalledSeconds',
  'startupSeconds'
] as const

export type MetricName = (typeof METRICS)[number]

/** Shown in the table, in few words. */
export const METRIC_LABELS: Readonly<Record<MetricName, string>> = {
  finished: 'share that finished',
  lastOverBound: 'last / bound',
  medianOverBound: 'median / bound',
  seederCopies: "seeder's copies",
  duplicateShare: 'duplicate bytes',
  wastedShare: 'wasted bytes',
  giveGetCorrelation: 'correlation of given and got',
  freeRiderShare: "free riders' share at the median",
  goodBans: 'good peers banned',
  badLiarsBanned: 'givers of bad bytes banned',
  unpunishedProofs: 'proofs of false bytes without a ban',
  falsePieces: 'false pieces, all peers together',
  stallersSnubbed: 'stallers snubbed',
  stalls: 'stalls of readers',
  stalledSeconds: 'seconds stalled, worst reader',
  startupSeconds: 'seconds before play, worst reader'
}

export type Metrics = Readonly<Record<MetricName, number | undefined>>

export interface RunResult {
  readonly scenario: string
  readonly seed: number
  readonly boundMs: number
  readonly metrics: Metrics
  /** When each of those waited for finished, ms after the seeder came, ascending; infinite where it did not. */
  readonly finishedMs: readonly number[]
  readonly events: number
  readonly wallMs: number
  /** The same for the same run. */
  readonly hash: string
}

/** Of those that are numbers; undefined where there are none. */
export function median(values: ReadonlyArray<number | undefined>): number | undefined {
  const sorted = values.filter(value => value !== undefined).sort((a, b) => a - b)
  const middle = sorted.length >>> 1
  const upper = sorted[middle]
  const lower = sorted[sorted.length % 2 === 1 ? middle : middle - 1]
  return upper === undefined || lower === undefined ? undefined : upper === lower ? upper : (upper + lower) / 2
}

/** Pearson's; undefined where one side does not vary. */
export function correlation(pairs: ReadonlyArray<readonly [number, number]>): number | undefined {
  const mean = (at: 0 | 1) => pairs.reduce((sum, pair) => sum + pair[at], 0) / pairs.length
  const [meanX, meanY] = [mean(0), mean(1)]
  let [xx, yy, xy] = [0, 0, 0]
  for (const [x, y] of pairs) {
    xx += (x - meanX) ** 2
    yy += (y - meanY) ** 2
    xy += (x - meanX) * (y - meanY)
  }
  return xx === 0 || yy === 0 ? undefined : xy / Math.sqrt(xx * yy)
}
