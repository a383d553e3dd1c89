/**
 * One node that holds many connections and works in many swarms at once: its memory, and how late its event loop is.
 * Prints a table, writes JSON, and fails when a bound is broken. See docs/reliability.md.
 *
 *     npm run soak:load -- [--connections 500] [--swarms 200] [--leechers 6] [--seconds 20] [--json FILE]
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { formatTable } from '../lab/format.mjs'
import { verdicts } from './figures.mjs'

const { values } = parseArgs({
  options: {
    connections: { type: 'string', default: '500' },
    swarms: { type: 'string', default: '200' },
    leechers: { type: 'string', default: '6' },
    seconds: { type: 'string', default: '20' },
    json: { type: 'string' }
  }
})
const connections = Number(values.connections)
const swarms = Number(values.swarms)
const leechers = Number(values.leechers)
const seconds = Number(values.seconds)
if (!(connections >= 1 && connections <= 590 && swarms >= 1 && swarms <= 2000 && leechers >= 1 && leechers < 32)) {
  console.error('soak: --connections 1 to 590, --swarms 1 to 2000, --leechers 1 to 31')
  process.exit(2)
}

const MIB = 1 << 20
/** So large that no leecher is done while it is measured. */
const FILE_BYTES = 2 * MIB
const RATE_BYTES_PER_SEC = 1_500_000

const folder = mkdtempSync(join(tmpdir(), 'shoal-load-'))

class Child {
  #process
  #nextId = 1
  /** @type {Map<number, { resolve: (result: any) => void, reject: (err: Error) => void }>} */
  #calls = new Map()

  /** @param {string} script @param {string} argument */
  constructor(script, argument) {
    this.#process = fork(fileURLToPath(new URL(script, import.meta.url)), [argument])
    this.#process.on('message', message => {
      const { id, result, error } = /** @type {{ id: number, result: unknown, error?: string }} */ (message)
      const call = this.#calls.get(id)
      this.#calls.delete(id)
      if (error === undefined) call?.resolve(result)
      else call?.reject(new Error(error))
    })
    this.#process.on('exit', code => {
      for (const { reject } of this.#calls.values()) reject(new Error(`${script} ended with ${code}`))
      this.#calls.clear()
    })
  }

  /** @param {string} method @param {object} [params] @returns {Promise<any>} */
  call(method, params = {}) {
    return new Promise((resolve, reject) => {
      const id = this.#nextId++
      this.#calls.set(id, { resolve, reject })
      this.#process.send({ id, method, params })
    })
  }

  async end() {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return
    const ended = once(this.#process, 'exit')
    const timer = setTimeout(() => this.#process.kill('SIGKILL'), 20_000)
    this.call('stop').catch(() => {})
    await ended
    clearTimeout(timer)
  }
}

const node = new Child('./load-node.mjs', join(folder, 'node'))
const peers = new Child('./load-peers.mjs', folder)
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => void Promise.all([node.end(), peers.end()]).then(() => process.exit(130)))
}
try {
  const [addr] = await node.call('start')
  mkdirSync(join(folder, 'files'))
  const paths = Array.from({ length: swarms }, (_, i) => join(folder, 'files', `file-${i}`))
  for (const [i, path] of paths.entries()) writeFileSync(path, Buffer.alloc(FILE_BYTES, `file ${i} of the load`))
  const links = await node.call('share', { paths })
  const bare = await node.call('measure', { ms: 2000 })
  const arriving = node.call('measure', { ms: seconds * 1000 })
  await peers.call('connect', { count: connections - leechers, addr })
  const arrival = await arriving
  const held = await node.call('measure', { ms: seconds * 1000 })
  await peers.call('fetch', { count: leechers, links, downBytesPerSec: RATE_BYTES_PER_SEC })
  await node.call('measure', { ms: 5000 })
  const busy = await node.call('measure', { ms: seconds * 1000 })
  const stages = { alone: bare, 'connections arrive': arrival, 'connections held': held, 'and swarms at work': busy }
  const rows = Object.entries(stages).map(([name, one]) => [
    name,
    String(one.connections),
    String(one.swarms),
    String(one.sessions),
    `${Math.round(one.rssBytes / MIB)} MiB`,
    `${one.p50Ms.toFixed(1)} ms`,
    `${one.p99Ms.toFixed(1)} ms`,
    `${one.longestMs.toFixed(0)} ms`,
    `${Math.round(one.cpu * 100)} %`,
    `${(one.upRate / 1e6).toFixed(1)} MB/s`
  ])
  const head = ['stage', 'connections', 'swarms', 'sessions', 'memory', 'p50', 'p99', 'longest', 'CPU', 'up']
  for (const line of formatTable(head, rows)) console.log(line)
  console.log()
  const result = verdicts([
    { name: 'connections', value: busy.connections, atLeast: connections },
    { name: 'swarms at work', value: busy.swarms, atLeast: swarms },
    { name: 'resident memory', unit: 'MiB', value: busy.rssBytes / MIB, atMost: 600 },
    { name: 'event loop delay, p99', unit: 'ms', value: busy.p99Ms, atMost: 100 },
    { name: 'event loop delay while they arrive, p99', unit: 'ms', value: arrival.p99Ms, atMost: 100 }
  ])
  for (const line of formatTable(['what', 'figure', 'bound', ''], result.rows)) console.log(line)
  if (values.json !== undefined) {
    writeFileSync(values.json, `${JSON.stringify({ stages, figures: result.figures }, null, 2)}\n`)
  }
  if (!result.isWithin) process.exitCode = 1
} finally {
  await Promise.all([node.end(), peers.end()])
  rmSync(folder, { recursive: true, force: true, maxRetries: 3 })
}
