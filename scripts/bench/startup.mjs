/** What every start costs, and what a node costs that has nothing to do. Beside a Node process that does nothing. */
import { rm, writeFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { cli } from '../lab/checkout.mjs'
import { median } from '../lab/format.mjs'
import { bareNode } from './yardsticks.mjs'

/** @typedef {import('../lab/lab.mjs').Lab} Lab */
/** @typedef {import('../lab/program.mjs').Program} Program */
/** @typedef {import('./measures.mjs').Row} Row */

/** A start is short, and the machine's noise is not: so many of each kind a run, by turns. */
const STARTS = 7
const IDLE_MS = 30_000
const MIB = 1 << 20
const LISTEN = ['--listen', '/ip4/127.0.0.1/tcp/0']
const COMMAND_FLOOR = { atMost: 150 }

/** Start to end. @param {Lab} lab @param {readonly string[]} args of node */
async function timeOf(lab, args) {
  const run = lab.run(`node ${args.join(' ')}`, process.execPath, args)
  await run.success(lab)
  return performance.now() - run.startedAt
}

/** @param {Lab} lab @param {string} dataDir */
async function startDaemon(lab, dataDir) {
  const daemon = lab.shoal('daemon', ['daemon', '--data-dir', dataDir, ...LISTEN])
  const { atMs } = await daemon.event('ready', lab)
  return { daemon, readyMs: Number(atMs), cpuMs: daemon.cpuMs() ?? Number.NaN }
}

/** @param {Lab} lab @param {Program} daemon */
async function stop(lab, daemon) {
  daemon.kill('SIGTERM')
  await daemon.success(lab)
}

/** @type {import('./measures.mjs').Measure} */
export const startup = {
  name: 'startup',
  prepare: lab => writeFile(lab.path('small'), 'small'),
  run: async lab => {
    const fresh = lab.path('fresh')
    const running = lab.path('running')
    /** @type {Record<string, string[]>} */
    const commands = {
      'shoal --version': ['--version'],
      'shoal hash, a small file': ['hash', lab.path('small')],
      'shoal ls, no node runs': ['ls', '--data-dir', fresh],
      'shoal status, a node runs': ['status', '--data-dir', running]
    }
    const bare = await bareNode(lab)
    const idle = await startDaemon(lab, running)
    await sleep(IDLE_MS / 2, undefined, { signal: lab.signal })
    const halfwayMs = idle.daemon.cpuMs() ?? Number.NaN
    await sleep(IDLE_MS / 2, undefined, { signal: lab.signal })
    const idleCpuMs = (idle.daemon.cpuMs() ?? Number.NaN) - halfwayMs
    const memory = idle.daemon.memory()?.nowBytes ?? Number.NaN

    const starts = { nothing: /** @type {number[]} */ ([]), ready: [idle.readyMs], cpu: [idle.cpuMs] }
    const times = Object.entries(commands).map(([what, args]) => ({ what, args, ms: /** @type {number[]} */ ([]) }))
    for (let i = 0; i < STARTS; i++) {
      starts.nothing.push(await timeOf(lab, ['-e', '0']))
      for (const { args, ms } of times) {
        await rm(fresh, { recursive: true, force: true })
        ms.push(await timeOf(lab, [cli, ...args]))
      }
      const { daemon, readyMs, cpuMs } = await startDaemon(lab, lab.path('started'))
      starts.ready.push(readyMs)
      starts.cpu.push(cpuMs)
      await stop(lab, daemon)
      await rm(lab.path('started'), { recursive: true, force: true })
    }
    await stop(lab, idle.daemon)
    for (const used of [fresh, running]) await rm(used, { recursive: true, force: true })

    const nothing = { yardstick: 'node -e 0', yardstickValue: median(starts.nothing) }
    /** @type {Row[]} */
    const rows = times.map(({ what, ms }) => ({
      ...{ what, unit: 'ms', value: median(ms), ...nothing, floor: COMMAND_FLOOR }
    }))
    return [
      ...rows,
      { what: 'daemon, start to ready', unit: 'ms', value: median(starts.ready), ...nothing, floor: { atMost: 800 } },
      { what: 'its processor time until then', unit: 'ms', value: median(starts.cpu) },
      {
        what: `idle daemon's memory after ${IDLE_MS / 1000} s`,
        unit: 'B',
        value: memory,
        yardstick: 'bare node',
        yardstickValue: bare.residentBytes,
        floor: { atMost: 110 * MIB }
      },
      { what: `its processor time in ${IDLE_MS / 2000} s`, unit: 'ms', value: idleCpuMs }
    ]
  }
}
