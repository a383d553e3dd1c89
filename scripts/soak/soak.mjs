/**
 * Nodes that share, fetch, remove and restart without end, and what they hold meanwhile. After a warm-up nothing may
 * grow: memory, handles, timers, listeners, open files. Prints a table, writes JSON, and fails when a bound is broken.
 * See docs/reliability.md.
 *
 *     npm run soak -- [--minutes 10] [--seed N] [--nodes 6] [--pace 4] [--json FILE] [--leak]
 *
 * `--pace` is the least time of a round in seconds. `--leak` holds on to a listener and a timer in each step: a run with
 * it must fail, which shows that the bounds see something.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { formatTable } from '../lab/format.mjs'
import { builtApi, builtRandom } from './built.mjs'
import { BusyNetwork } from './busy-network.mjs'
import { growthOverSecondHalf, growthPerHour, percentile, randomSeed, verdicts } from './figures.mjs'
import { LoopDelay, readVitals } from './vitals.mjs'

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    seed: { type: 'string' },
    nodes: { type: 'string', default: '6' },
    pace: { type: 'string', default: '4' },
    json: { type: 'string' },
    leak: { type: 'boolean', default: false }
  }
})
const minutes = Number(values.minutes)
const nodes = Number(values.nodes)
const paceMs = Number(values.pace) * 1000
const seed = Number(values.seed ?? randomSeed())
if (!(minutes > 0 && minutes <= 6000 && nodes >= 4 && nodes <= 32 && paceMs >= 0 && seed >= 0)) {
  console.error('soak: --minutes up to 6000, --nodes 4 to 32, --pace seconds from 0, --seed a whole number')
  process.exit(2)
}

const MIB = 1 << 20
/** With fewer no line can be drawn through the second half: on a machine that is busy a short run lasts longer. */
const MIN_ROUNDS = 8
/** The event loop of one process runs all nodes here. */
const LOOP_P99_MS = 100

/**
 * What may not grow: its growth over the second half of the run, by the least-squares line, is held against a tenth of
 * the least of the first half (a mean grows with what leaks) and an allowance for what comes and goes (a timer that a round caught, a page of the heap).
 * @type {ReadonlyArray<{ key: keyof import('./vitals.mjs').Vitals, name: string, unit?: string, scale: number, allowance: number }>}
 */
const WATCHED = [
  { key: 'rssBytes', name: 'resident memory', unit: 'MiB', scale: MIB, allowance: 16 },
  { key: 'heapBytes', name: 'heap in use', unit: 'MiB', scale: MIB, allowance: 2 },
  { key: 'handles', name: 'handles', scale: 1, allowance: 8 },
  { key: 'timers', name: 'timers', scale: 1, allowance: 16 },
  { key: 'listeners', name: 'listeners', scale: 1, allowance: 48 },
  { key: 'signals', name: 'abort signals', scale: 1, allowance: 48 },
  { key: 'sockets', name: 'sockets', scale: 1, allowance: 8 },
  { key: 'files', name: 'open files', scale: 1, allowance: 8 }
]

const SHARE = 0.1
/**
 * Time limits last up to a minute, and their timers, listeners and signals with them: a run of less than three minutes
 * is all warm-up for these, and sees only a leak that doubles them.
 */
const isShort = minutes < 3
const SHORT_SHARE = 1
/** @type {ReadonlyArray<keyof import('./vitals.mjs').Vitals>} */
const LIMITED = ['listeners', 'signals']

const { createNode } = await builtApi()
const random = (await builtRandom()).seededRandom(seed)
const folder = mkdtempSync(join(tmpdir(), 'shoal-soak-'))
const network = new BusyNetwork({ createNode, random, folder })
console.log(`seed ${seed}: ${nodes} nodes for ${minutes} minutes`)

let stopping = false
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.on(signal, () => {
    if (stopping) process.exit(130)
    stopping = true
  })
}

/** @type {Array<{ atMs: number, vitals: import('./vitals.mjs').Vitals }>} */
const samples = []
/** @type {number[]} */
const delays = []
const leakTarget = new EventTarget()
/** @type {object[]} */
const leaked = []

function leak() {
  for (let i = 0; i < 2_000; i++) leakTarget.addEventListener('never', () => leaked.push({}))
  for (let i = 0; i < 500; i++) leaked.push(setTimeout(() => {}, 2 ** 30).unref())
}

try {
  await network.start(nodes)
  const loop = new LoopDelay()
  const start = performance.now()
  const end = start + minutes * 60_000
  while ((performance.now() < end || samples.length < MIN_ROUNDS) && !stopping) {
    const began = performance.now()
    loop.reset()
    loop.start()
    await network.round()
    if (values.leak) leak()
    await sleep(Math.max(0, paceMs - (performance.now() - began)))
    loop.pause()
    delays.push(loop.percentile(99))
    const vitals = readVitals()
    samples.push({ atMs: performance.now() - start, vitals })
    if (samples.length % 10 === 0) {
      const { rssBytes, heapBytes, listeners, timers } = vitals
      console.log(
        `round ${samples.length}: ${Math.round(rssBytes / MIB)} MiB resident, heap ${Math.round(heapBytes / MIB)} MiB, ` +
          `${listeners} listeners, ${timers} timers`
      )
    }
  }
  const grown = WATCHED.map(({ key, name, unit, scale, allowance }) => {
    /** @type {Array<[number, number]>} */
    const series = samples.map(({ atMs, vitals }) => [atMs, vitals[key] / scale])
    const second = series.slice(series.length >> 1)
    const mean = second.reduce((sum, [, value]) => sum + value, 0) / second.length
    const least = Math.min(...series.slice(0, Math.ceil(series.length / 2)).map(([, value]) => value))
    const grownBy = growthOverSecondHalf(series)
    return {
      name,
      mean,
      perHour: growthPerHour(series),
      figure: {
        name: `${name}: growth`,
        value: grownBy,
        // those of time limits alone pile up for a minute: in a short run they say nothing
        ...(!(isShort && key === 'timers') && {
          atMost: allowance + least * (isShort && LIMITED.includes(key) ? SHORT_SHARE : SHARE)
        }),
        ...(unit === undefined ? {} : { unit })
      }
    }
  })
  console.log(
    `${samples.length} rounds: ${network.fetched} fetches, ${network.removed} removals, ${network.restarts} restarts`
  )
  const means = grown.map(({ name, mean, perHour }) => [name, mean.toFixed(1), perHour.toFixed(1)])
  for (const line of formatTable(['held', 'mean', 'slope an hour'], means)) console.log(line)
  console.log()
  const result = verdicts([
    ...grown.map(({ figure }) => figure),
    {
      name: 'event loop delay, p99 of the median round',
      unit: 'ms',
      value: percentile(delays, 50),
      ...(isShort ? {} : { atMost: LOOP_P99_MS })
    },
    { name: 'event loop delay, p99 of the worst round', unit: 'ms', value: percentile(delays, 100) }
  ])
  for (const line of formatTable(['over the second half', 'figure', 'bound', ''], result.rows)) console.log(line)
  if (values.json !== undefined) {
    const report = {
      seed,
      nodes,
      minutes,
      rounds: samples.length,
      fetched: network.fetched,
      figures: result.figures,
      samples
    }
    writeFileSync(values.json, `${JSON.stringify(report, null, 2)}\n`)
  }
  if (!result.isWithin || stopping) process.exitCode = 1
} finally {
  await network.close()
  rmSync(folder, { recursive: true, force: true, maxRetries: 3 })
  for (const one of leaked) clearTimeout(/** @type {NodeJS.Timeout} */ (one))
}
