/** The peer benchmark, which is no part of this project: where it is, what it can run here, and a run of it. */
import { spawn, spawnSync } from 'node:child_process'
import { accessSync, constants, existsSync, readdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { createInterface } from 'node:readline'
import { checkout } from '../lab/checkout.mjs'

/** @typedef {import('./swarm-rows.mjs').Run} Run */

/** Of one tool's `version`. */
const VERSION_TIMEOUT_MS = 30_000
const KEPT_LINES = 20
/** A server and its clients: no swarm. */
const NO_SWARM = ['http']

/** What stands in the way; one line of what, why, what next. */
export class CannotRun extends Error {}

/**
 * @returns {string} the folder that holds the benchmark
 * @throws {CannotRun}
 */
export function findBenchmark() {
  const folder = process.env['PEERBENCH']
  if (folder === undefined || folder === '') {
    throw new CannotRun(
      'PEERBENCH is not set, so the peer benchmark cannot be found: set it to the folder that holds peerbench.py'
    )
  }
  if (!existsSync(join(folder, 'peerbench.py'))) {
    throw new CannotRun(
      `no peerbench.py in ${folder}: set PEERBENCH to the folder that holds it, or unset it if you have none`
    )
  }
  return folder
}

/** @throws {CannotRun} where this machine or this user cannot make network namespaces */
export function checkMachine() {
  if (process.getuid?.() !== 0) {
    throw new CannotRun('the peer benchmark makes network namespaces, which only root may: run this as root')
  }
  const tools = { python3: ['python3', '--version'], ip: ['ip', '-V'], tc: ['tc', '-V'] }
  for (const [name, [command = '', ...args]] of Object.entries(tools)) {
    if (spawnSync(command, args, { stdio: 'ignore' }).status !== 0) {
      throw new CannotRun(`${name} does not run here, and the peer benchmark needs it: install it`)
    }
  }
}

/** @param {string} folder @returns {NodeJS.ProcessEnv} */
function environment(folder) {
  const lab = process.env['PEERLAB'] ?? join(process.env['TMPDIR'] ?? tmpdir(), 'peerlab')
  const drivers = [join(checkout, 'scripts/peerbench'), process.env['PEER_DRIVERS']].filter(Boolean).join(delimiter)
  return { ...process.env, PEERLAB: lab, PEER_DRIVERS: drivers, PEER_BENCH: folder }
}

/** Drivers of other tools, installed or not. @param {string} folder of the benchmark */
export function otherTools(folder) {
  const drivers = join(folder, 'drivers')
  return readdirSync(drivers).filter(name => {
    if (name.includes('.') || NO_SWARM.includes(name)) return false
    try {
      accessSync(join(drivers, name), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}

/**
 * What a tool says of itself.
 * @param {string} folder of the benchmark
 * @param {string} name
 * @returns {string | undefined} one line; undefined where it is not installed
 */
export function toolVersion(folder, name) {
  const file = [join(checkout, 'scripts/peerbench', name), join(folder, 'drivers', name)].find(existsSync)
  if (file === undefined) return undefined
  const env = { PEER_IP: '127.0.0.1', PEER_PORT: '7000', PEER_STATE: tmpdir(), PEER_SRC: 'x', PEER_EVENTS: '/dev/null' }
  const { status, stdout, stderr } = spawnSync(file, ['version'], {
    env: { ...environment(folder), ...env },
    encoding: 'utf8',
    timeout: VERSION_TIMEOUT_MS
  })
  const said = `${stdout}${stderr}`
  // A shell driver goes on after a tool that is not there.
  if (status !== 0 || /not found|no such file/i.test(said)) return undefined
  return said.trim().split('\n').join('; ')
}

/**
 * Runs the benchmark to its end and hands on each raw run as it comes. It makes namespaces and removes them when it ends
 * or gets SIGTERM, so that is all it ever gets: once, to it alone, when the signal fires.
 *
 * @param {string} folder
 * @param {readonly string[]} args
 * @param {{ signal: AbortSignal, env?: NodeJS.ProcessEnv, onRun: (run: Run) => void, onNote: (line: string) => void }}
 *   options `env`: set for the programs that it runs, over what is set here
 * @returns {Promise<{ code: number | null, said: string[], left: string[] }>} its exit code, its last lines, and the
 *   namespaces that it did not remove
 */
export async function runBenchmark(folder, args, { signal, env = {}, onRun, onNote }) {
  signal.throwIfAborted()
  const child = spawn('python3', [join(folder, 'peerbench.py'), ...args], {
    env: { ...environment(folder), ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
    // In a process group of its own, so that Ctrl-C reaches it once and through us.
    detached: true
  })
  const stop = () => child.kill('SIGTERM')
  signal.addEventListener('abort', stop, { once: true })
  /** @type {string[]} */
  const said = []
  createInterface({ input: child.stderr }).on('line', line => {
    const run = asRun(line)
    if (run !== undefined) return onRun(run)
    said.push(line)
    if (said.length > KEPT_LINES) said.shift()
    onNote(line)
  })
  try {
    /** @type {number | null} */
    const code = await new Promise((resolve, reject) => {
      child.once('error', reject)
      child.once('close', resolve)
    })
    return { code, said, left: namespaces(`pb${child.pid}`) }
  } finally {
    signal.removeEventListener('abort', stop)
  }
}

/** @param {string} line @returns {Run | undefined} */
function asRun(line) {
  if (!line.startsWith('{')) return undefined
  try {
    const value = JSON.parse(line)
    return typeof value.driver === 'string' && typeof value.n === 'number' ? value : undefined
  } catch {
    return undefined
  }
}

/** @param {string} tag that the names of a run's namespaces begin with */
function namespaces(tag) {
  const { stdout } = spawnSync('ip', ['netns', 'list'], { encoding: 'utf8' })
  const names = (stdout ?? '').split('\n').map(line => line.split(' ')[0] ?? '')
  return names.filter(name => name.startsWith(`${tag}n`) || name === `${tag}hub`)
}
