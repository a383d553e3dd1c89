/**
 * What a hostile peer costs an honest fetch: 256 MiB from one process to another over loopback, alone and beside each
 * kind of attacker of test/adversary, which is a process of its own on the same cores. Its rate is bounded: it measures
 * what an attack makes us do, not how much of a machine a third program can take. Processor time, memory and the event
 * loop's delay are the seeder's, and so is the attack; who fetches is told of the attacker as a peer.
 *
 * `hostile-rest` measures the same attacks on a seeder from which nobody fetches: processor time a second of the attack,
 * which another program on the machine hardly changes.
 *
 * HOSTILE_KINDS (comma-separated beginnings of names) runs some of them only.
 */
import { execFileSync } from 'node:child_process'
import { rm } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { checkout, cli } from '../lab/checkout.mjs'
import { compareTrees } from '../lab/compare.mjs'
import { warm, writeBigFile } from './inputs.mjs'

/** @typedef {import('../lab/lab.mjs').Lab} Lab */
/** @typedef {import('./measures.mjs').Row} Row */

const MIB = 1 << 20
const FILE = 'beside-attackers'
const FILE_BYTES = 256 * MIB
const LISTEN = ['--listen', '/ip4/127.0.0.1/tcp/0']
/** The time that a fetch may take beside an attacker, of that alone. */
const MAX_SLOWDOWN = 1.25
const ATTACKER = `${checkout}/.cache/adversary/test/adversary/main.js`
const LOOP_DELAY = `${checkout}/scripts/bench/loop-delay.mjs`

/** One of each sort; the tests run all. */
const KINDS = [
  'a flood of requests',
  'a flood of haves',
  'a flood of chokes',
  'a flood of offers',
  'a flood of peer exchange',
  'a flood of DAG-node requests',
  'frames of unknown type without end',
  'a frame that never ends, a byte at a time',
  'false bytes',
  'a byte at a time',
  'nothing at all',
  'the same bytes again and again',
  'streams that are opened and reset',
  'streams that are opened and left',
  'streams for a protocol that nobody speaks',
  'pings',
  'window updates',
  'data frames of one byte',
  'protocols that nobody speaks, asked for without end',
  'a flood of DHT questions',
  'connections that are silent',
  'handshakes without end'
]

/** @param {Lab} lab @param {string | undefined} kind undefined: nobody attacks */
async function fetchBeside(lab, kind) {
  /** @param {string} label @param {readonly string[]} args */
  const watched = (label, args) =>
    lab.run(label, process.execPath, ['--import', LOOP_DELAY, cli, ...args, ...LISTEN, '--json'])
  const seeder = watched('seeder', ['share', lab.path(FILE), '--data-dir', lab.path('seeder')])
  const { link, pieces } = await seeder.event('shared', lab)
  const attacker =
    kind === undefined ? undefined : lab.run('attacker', process.execPath, [ATTACKER, kind, link, String(pieces)])
  const ready = await attacker?.event('ready', lab)
  const addr = ready?.['addr']
  const before = seeder.cpuMs() ?? Number.NaN
  const peer = addr === undefined ? [] : ['--peer', addr]
  const getter = watched('getter', ['get', link, '-o', lab.path('got'), '--data-dir', lab.path('getter'), ...peer])
  const { seconds } = await getter.event('done', lab)
  const cpuMs = (seeder.cpuMs() ?? Number.NaN) - before
  const peakBytes = seeder.memory()?.peakBytes ?? Number.NaN
  await getter.success(lab)
  attacker?.kill('SIGKILL')
  await attacker?.end
  seeder.kill('SIGTERM')
  await seeder.success(lab)
  const { p99Ms } = await seeder.event('loop', lab)
  const { differences } = await compareTrees(lab.path(FILE), lab.path('got'), lab)
  if (differences.length > 0) throw new Error(`what arrived differs: ${differences.join('; ')}`)
  for (const used of ['seeder', 'getter', 'got']) await rm(lab.path(used), { recursive: true, force: true })
  return { ms: Number(seconds) * 1000, cpuMs, peakBytes, p99Ms: Number(p99Ms) }
}

/** How long a seeder at rest is attacked: every kind comes again a second after it was ended. */
const REST_MS = 5000

/** @param {Lab} lab @param {string | undefined} kind undefined: nobody attacks */
async function restBeside(lab, kind) {
  const args = [cli, 'share', lab.path(FILE), '--data-dir', lab.path('seeder'), ...LISTEN, '--json']
  const seeder = lab.run('seeder', process.execPath, args)
  const { link, pieces } = await seeder.event('shared', lab)
  const attacker =
    kind === undefined ? undefined : lab.run('attacker', process.execPath, [ATTACKER, kind, link, String(pieces)])
  await attacker?.event('ready', lab)
  const before = seeder.cpuMs() ?? Number.NaN
  await sleep(REST_MS, undefined, { signal: lab.signal })
  const cpuMs = (((seeder.cpuMs() ?? Number.NaN) - before) * 1000) / REST_MS
  const peakBytes = seeder.memory()?.peakBytes ?? Number.NaN
  attacker?.kill('SIGKILL')
  await attacker?.end
  seeder.kill('SIGTERM')
  await seeder.success(lab)
  await rm(lab.path('seeder'), { recursive: true, force: true })
  return { cpuMs, peakBytes }
}

function kinds() {
  const chosen = process.env['HOSTILE_KINDS']?.split(',')
  if (chosen === undefined) return KINDS
  return KINDS.filter(kind => chosen.some(name => kind.startsWith(name)))
}

/** @param {Lab} lab */
async function prepare(lab) {
  execFileSync(process.execPath, [`${checkout}/node_modules/typescript/bin/tsc`, '-p', 'tsconfig.adversary.json'], {
    cwd: checkout,
    stdio: 'inherit'
  })
  await writeBigFile(lab.path(FILE), FILE_BYTES, { seed: FILE, signal: lab.signal })
  warm(lab.path(FILE))
}

/** @type {import('./measures.mjs').Measure} */
export const hostileRest = {
  name: 'hostile-rest',
  prepare,
  run: async lab => {
    const alone = await restBeside(lab, undefined)
    /** @type {Row[]} */
    const rows = []
    for (const kind of kinds()) {
      const beside = await restBeside(lab, kind)
      const yardstick = 'alone'
      rows.push(
        {
          ...{ what: `a seeder at rest beside ${kind}: processor time a second`, unit: 'ms', value: beside.cpuMs },
          ...{ yardstick, yardstickValue: alone.cpuMs }
        },
        {
          ...{ what: `a seeder at rest beside ${kind}: its peak memory`, unit: 'B', value: beside.peakBytes },
          ...{ yardstick, yardstickValue: alone.peakBytes }
        }
      )
    }
    return rows
  }
}

/** @type {import('./measures.mjs').Measure} */
export const hostile = {
  name: 'hostile',
  prepare,
  run: async lab => {
    const alone = await fetchBeside(lab, undefined)
    /** @type {Row[]} */
    const rows = []
    for (const kind of kinds()) {
      const beside = await fetchBeside(lab, kind)
      const yardstick = 'alone'
      rows.push(
        {
          ...{ what: `get 256 MiB beside ${kind}`, unit: 'ms', value: beside.ms },
          ...{ yardstick, yardstickValue: alone.ms, ratio: { atMost: MAX_SLOWDOWN } }
        },
        {
          ...{ what: `${kind}: processor time of the seeder`, unit: 'ms', value: beside.cpuMs },
          ...{ yardstick, yardstickValue: alone.cpuMs }
        },
        {
          ...{ what: `${kind}: its peak memory`, unit: 'B', value: beside.peakBytes },
          ...{ yardstick, yardstickValue: alone.peakBytes }
        },
        {
          ...{ what: `${kind}: its event loop, late at p99`, unit: 'ms', value: beside.p99Ms },
          ...{ yardstick, yardstickValue: alone.p99Ms }
        }
      )
    }
    return rows
  }
}
