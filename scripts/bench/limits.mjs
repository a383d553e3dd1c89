/**
 * Rate limits over the wire: real processes on loopback, payload bytes as the receiver counts them. A row is the window
 * of 10 s that differs most from the limit; each limit is set while the transfer runs.
 */
import { mkdirSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { formatBytes } from '../lab/format.mjs'
import { Control } from './control.mjs'
import { warm, writeBigFile } from './inputs.mjs'

/** @typedef {import('../lab/lab.mjs').Lab} Lab */
/** @typedef {import('./measures.mjs').Row} Row */
/** @typedef {import('../lab/program.mjs').Program} Program */
/** @typedef {{ program: Program, control: Control, name: string }} Node */

const FILE = 'limited'
const FILE_BYTES = 768 << 20
const LISTEN = ['--listen', '/ip4/127.0.0.1/tcp/0']
const WINDOW_MS = 10_000
const SAMPLE_MS = 250
/** Windows begin within so long after the first. */
const EXTRA_MS = 2000
/** What was on its way under the old limit arrives. */
const SETTLE_MS = 1500
const TOLERANCE = 0.03
/** While things are set up. */
const SLOW = 50_000

/** @param {Lab} lab @param {string} name @param {readonly string[]} args @param {string} event that says it is ready */
async function start(lab, name, args, event) {
  mkdirSync(got(lab, name), { recursive: true })
  const program = lab.shoal(name, [...args, '--data-dir', lab.path(name), ...LISTEN])
  const line = await program.event(event, lab)
  return { program, control: new Control(lab.path(name)), name, line }
}

/** Where a fetch goes to. @param {Lab} lab @param {string} name */
const got = (lab, name) => lab.path(`${name}-got`)

/** @param {Lab} lab @param {readonly Node[]} nodes */
async function stop(lab, nodes) {
  for (const { program, control, name } of nodes) {
    control.close()
    program.kill('SIGTERM')
    await program.end
    for (const used of [name, `${name}-got`]) await rm(lab.path(used), { recursive: true, force: true })
  }
}

/** @param {Lab} lab @param {string} name @param {string} link */
function fetcher(lab, name, link) {
  return start(lab, name, ['get', link, '-o', got(lab, name)], 'progress')
}

/**
 * The rate of the window that differs most from `rate`.
 * @param {Lab} lab @param {Node} getter @param {number} rate
 */
async function worstWindow(lab, getter, rate) {
  await sleep(SETTLE_MS, undefined, { signal: lab.signal })
  /** @type {Array<{ atMs: number, bytes: number }>} */
  const samples = []
  const began = performance.now()
  while (performance.now() - began < WINDOW_MS + EXTRA_MS) {
    const { receivedBytes } = await getter.control.call('status')
    samples.push({ atMs: performance.now(), bytes: receivedBytes })
    await sleep(SAMPLE_MS, undefined, { signal: lab.signal })
  }
  let worst = rate
  for (const [at, first] of samples.entries()) {
    const last = samples.slice(at).find(sample => sample.atMs - first.atMs >= WINDOW_MS)
    if (last === undefined) break
    const measured = ((last.bytes - first.bytes) * 1000) / (last.atMs - first.atMs)
    if (Math.abs(measured - rate) >= Math.abs(worst - rate)) worst = measured
  }
  return worst
}

/** @param {string} what @param {number} value @param {number} rate @returns {Row} */
function row(what, value, rate) {
  return {
    what: `${what}, ${formatBytes(rate)}/s`,
    unit: 'B/s',
    value,
    yardstick: 'the limit',
    yardstickValue: rate,
    floor: { atLeast: rate * (1 - TOLERANCE), atMost: rate * (1 + TOLERANCE) }
  }
}

/**
 * One after the other while one transfer runs: up and down, of the node and of the root.
 * @param {Lab} lab @param {Node} seeder @param {{ cid: string, link: string }} shared @param {number} rate
 */
async function kinds(lab, seeder, { cid, link }, rate) {
  const rows = []
  for (const [direction, side] of /** @type {const} */ ([
    ['up', 'seeder'],
    ['down', 'getter']
  ])) {
    for (const root of [false, true]) {
      // none of them may end within the window: a fetch of its own for each
      await seeder.control.call('setLimits', { up: SLOW })
      const getter = await fetcher(lab, 'getter', link)
      const { control } = side === 'seeder' ? seeder : getter
      await control.call('setLimits', { [direction]: rate, ...(root ? { cid } : {}) })
      if (direction === 'down' || root) await seeder.control.call('setLimits', { up: null })
      const what = `${direction}, ${root ? 'one transfer' : 'whole node'}`
      rows.push(row(what, await worstWindow(lab, getter, rate), rate))
      await stop(lab, [getter])
      await seeder.control.call('setLimits', { cid, up: null })
    }
  }
  return rows
}

/** @param {Lab} lab @param {Node} seeder @param {string} link */
async function changes(lab, seeder, link) {
  const rows = []
  await seeder.control.call('setLimits', { up: SLOW })
  const getter = await fetcher(lab, 'getter', link)
  for (const rate of [10e6, 10e3, 1e6, 20e6]) {
    await seeder.control.call('setLimits', { up: rate })
    rows.push(row(`up, changed while it runs ${rows.length + 1}`, await worstWindow(lab, getter, rate), rate))
  }
  await stop(lab, [getter])
  return rows
}

/**
 * Four peers of one seeder: what each of them got of it in 20 s.
 * @param {Lab} lab @param {Node} seeder @param {string} link @param {number} rate
 * @returns {Promise<Row[]>}
 */
async function shares(lab, seeder, link, rate) {
  await seeder.control.call('setLimits', { up: rate })
  const getters = []
  for (let i = 1; i <= 4; i++) getters.push(await fetcher(lab, `getter-${i}`, link))
  await sleep(2 * SETTLE_MS, undefined, { signal: lab.signal })
  const sent = async () =>
    new Map((await seeder.control.call('peers')).map(/** @param {any} peer */ peer => [peer.peerId, peer.sentBytes]))
  const [before, began] = [await sent(), performance.now()]
  await sleep(2 * WINDOW_MS, undefined, { signal: lab.signal })
  const [after, ms] = [await sent(), performance.now() - began]
  const rates = [...after].map(([peer, bytes]) => ((bytes - (before.get(peer) ?? 0)) * 1000) / ms).sort((a, b) => a - b)
  await stop(lab, getters)
  const sum = rates.reduce((a, b) => a + b, 0)
  const [least = 0, most = 0] = [rates[0], rates.at(-1)]
  const at = `of ${formatBytes(rate)}/s`
  return [
    row('up, to four peers together', sum, rate),
    {
      what: `least of four peers' shares ${at}`,
      unit: 'B/s',
      value: least,
      yardstick: 'the most',
      yardstickValue: most
    }
  ]
}

/** @type {import('./measures.mjs').Measure} */
export const limits = {
  name: 'limits',
  prepare: async lab => {
    await writeBigFile(lab.path(FILE), FILE_BYTES, { seed: FILE, signal: lab.signal })
    warm(lab.path(FILE))
  },
  run: async lab => {
    const seeder = await start(lab, 'seeder', ['share', lab.path(FILE)], 'shared')
    const shared = { cid: String(seeder.line['cid']), link: String(seeder.line['link']) }
    const rows = []
    for (const rate of [1e6, 10e6, 40e6]) rows.push(...(await kinds(lab, seeder, shared, rate)))
    rows.push(...(await changes(lab, seeder, shared.link)))
    for (const rate of [1e6, 10e6]) rows.push(...(await shares(lab, seeder, shared.link, rate)))
    await stop(lab, [seeder])
    return rows
  }
}
