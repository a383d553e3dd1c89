/**
 * A network of six real daemons, three on each of two switches, whose cable is cut and mended. Both halves must go on
 * serving what they have, and find each other again with nobody restarted: what was shared in one half during the cut is
 * fetched in the other after it, within a bound. Needs root, says so and ends with 0 where it is missing.
 *
 *     npm run nets:partition -- [--only outlived|timed-out|unplugged] [--cut SECONDS] [--json FILE]
 *
 * Nobody is told to keep in touch with the other half (no `--peer` across): one link leads the right half in.
 */
import { writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { cli } from '../lab/checkout.mjs'
import { formatSeconds, formatTable } from '../lab/format.mjs'
import { Lab } from '../lab/lab.mjs'
import { cannotMake, Namespaces } from './namespaces.mjs'

/** @typedef {import('./namespaces.mjs').Side} Side */
/** @typedef {{ name: string, side: Side, machine: string, dataDir: string, peerId: string, addr: string }} Daemon */
/**
 * @typedef {object} Case
 * @property {import('./namespaces.mjs').Cut} how
 * @property {number} cutMs
 * @property {number | undefined} tcpRetries
 * @property {boolean} dies whether connections across must have ended before it is mended
 * @property {string} what
 */

/** @type {Record<string, Case>} */
const CASES = {
  outlived: {
    how: 'silently',
    cutMs: 20_000,
    tcpRetries: undefined,
    dies: false,
    what: 'packets vanish for a moment; TCP outlives it'
  },
  'timed-out': {
    how: 'silently',
    cutMs: 90_000,
    tcpRetries: 3,
    dies: true,
    what: 'packets vanish until every connection across has timed out'
  },
  unplugged: {
    how: 'down',
    cutMs: 90_000,
    tcpRetries: 3,
    dies: true,
    what: 'the link is down until every connection across has ended'
  }
}
const { values } = parseArgs({
  options: { only: { type: 'string' }, cut: { type: 'string' }, json: { type: 'string' } }
})
const chosen = values.only === undefined ? Object.keys(CASES) : [values.only]
if (chosen.some(name => CASES[name] === undefined)) {
  console.error(`nets: --only ${Object.keys(CASES).join(', ')}`)
  process.exit(2)
}
const cutSeconds = values.cut === undefined ? undefined : Number(values.cut)
if (cutSeconds !== undefined && !(cutSeconds >= 5 && cutSeconds <= 3600)) {
  console.error('nets: --cut 5 to 3600, in seconds')
  process.exit(2)
}
const reason = cannotMake()
if (reason !== undefined) {
  console.log(`skipped: ${reason}`)
  process.exit(0)
}

const SIDE_NODES = 3
const FILE_BYTES = 2_000_000
const KNOWN_MS = 60_000
/** After the mending: until somebody of one half is connected to somebody of the other, and until the fetch is done. */
const MEET_BOUND_MS = 180_000
const FETCH_BOUND_MS = 240_000
const LOOK_MS = 500

const lab = new Lab('shoal-partition')
/** @type {object[]} */
const figures = []
/** @type {string[][]} */
const rows = []
const succeeded = await lab.main({
  timeoutMs: 20 * 60_000,
  work: async () => {
    for (const name of chosen) await run(name, /** @type {Case} */ (CASES[name]))
  },
  onFailure: err => console.error(`nets: ${err instanceof Error ? err.message : err}`)
})
if (rows.length > 0) {
  const head = ['cut', 'connections across at its end', 'halves met after', 'fetched across after']
  for (const line of formatTable(head, rows)) console.log(line)
}
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify({ succeeded, figures }, null, 2)}\n`)

/** @param {string} name @param {Case} of */
async function run(name, of) {
  console.log(`${name}: ${of.what}`)
  const nets = new Namespaces()
  const before = lab.programs.length
  try {
    const daemons = await start(nets, name, of)
    const left = daemons.filter(({ side }) => side === 'left')
    const right = daemons.filter(({ side }) => side === 'right')
    const [l0, l1, l2] = trio(left)
    const [r0, r1, r2] = trio(right)
    // the one link that leads across: who fetches it is connected, and keeps nobody by hand
    const first = await share(nets, l0, name, 'before')
    await get(nets, r0, first.link, 'before')
    await everyone(nets, daemons, daemons.length - 1)

    nets.cut(of.how)
    const cutAt = performance.now()
    console.log('  cut')
    const inLeft = await share(nets, l1, name, 'left')
    const inRight = await share(nets, r1, name, 'right')
    await get(nets, l2, inLeft.cid, 'left, in its own half')
    await get(nets, r2, inRight.cid, 'right, in its own half')
    console.log('  each half goes on')
    const cutMs = cutSeconds === undefined ? of.cutMs : cutSeconds * 1000
    await sleep(Math.max(0, cutAt + cutMs - performance.now()), undefined, { signal: lab.signal })
    const across = await connectionsAcross(nets, daemons)
    console.log(`  ${across} connections across are left after ${formatSeconds(performance.now() - cutAt)}`)
    if (of.dies && across > 0) throw new Error(`${across} connections across outlived the cut: it shows nothing`)
    if (!of.dies && across === 0) throw new Error('no connection outlived the cut: it shows nothing')

    nets.heal()
    const healedAt = performance.now()
    while ((await connectionsAcross(nets, daemons)) === 0) {
      if (performance.now() - healedAt > MEET_BOUND_MS) {
        throw new Error(`the halves have not met ${MEET_BOUND_MS / 1000} s after the mending`)
      }
      await sleep(LOOK_MS, undefined, { signal: lab.signal })
    }
    const metMs = performance.now() - healedAt
    console.log(`  the halves met ${formatSeconds(metMs)} after the mending`)
    await Promise.all([
      get(nets, r2, inLeft.cid, 'left, from the right', FETCH_BOUND_MS),
      get(nets, l2, inRight.cid, 'right, from the left', FETCH_BOUND_MS)
    ])
    const fetchedMs = performance.now() - healedAt
    console.log(`  fetched across, both ways, ${formatSeconds(fetchedMs)} after it`)
    rows.push([`${name}: ${of.what}`, `${across}`, formatSeconds(metMs), formatSeconds(fetchedMs)])
    figures.push({ name, across, metMs, fetchedMs })
  } finally {
    const mine = lab.programs.slice(before)
    for (const program of mine) program.kill('SIGKILL')
    await Promise.all(mine.map(program => program.end))
    nets.close()
  }
}

/** @param {Namespaces} nets @param {string} run @param {Case} of @returns {Promise<Daemon[]>} */
async function start(nets, run, of) {
  /** @type {Daemon[]} */
  const daemons = []
  for (const side of /** @type {const} */ (['left', 'right'])) {
    for (let i = 0; i < SIDE_NODES; i++) {
      const options = of.tcpRetries === undefined ? {} : { tcpRetries: of.tcpRetries }
      const { name: machine, address } = nets.machine(side, options)
      const name = `${side} ${i}`
      const dataDir = lab.path(`${run}-${side}-${i}`)
      const listen = ['--listen', `/ip4/${address}/tcp/4160`]
      const peer = i === 0 ? [] : ['--peer', daemons.at(-1)?.addr ?? '']
      const program = shoal(nets, { name, machine, dataDir }, ['daemon', ...listen, ...peer])
      const { peerId, addrs } = await program.event('ready', { signal: lab.signal })
      daemons.push({ name, side, machine, dataDir, peerId, addr: addrs[0] })
    }
  }
  return daemons
}

/** @param {Namespaces} nets @param {Pick<Daemon, 'name' | 'machine' | 'dataDir'>} of @param {readonly string[]} args */
function shoal(nets, { name, machine, dataDir }, args) {
  const inside = nets.inside(machine, process.execPath, [cli, ...args, '--data-dir', dataDir, '--json'])
  return lab.run(name, inside.command, inside.args)
}

/** Shares a new file. @param {Namespaces} nets @param {Daemon} daemon @param {string} run @param {string} what */
async function share(nets, daemon, run, what) {
  const path = lab.path(`${run}-${what}.bin`)
  writeFileSync(path, Buffer.alloc(FILE_BYTES, `${run} ${what} ${process.pid} `))
  const program = shoal(nets, daemon, ['share', path])
  await program.success({ signal: lab.signal })
  const { cid, link } = await program.event('shared')
  return { cid: String(cid), link: String(link) }
}

/**
 * Fetches by the node of that data folder. What came is right, as the program checks each piece by its hash.
 * @param {Namespaces} nets @param {Daemon} daemon @param {string} source @param {string} what @param {number} [boundMs]
 */
async function get(nets, daemon, source, what, boundMs = KNOWN_MS) {
  const to = lab.path(`got-${lab.programs.length}.bin`)
  const args = ['get', source, '-o', to, '--timeout', `${boundMs / 1000}`]
  const program = shoal(nets, daemon, args)
  await program.success({ signal: lab.signal })
  const { fetched } = await program.event('done')
  if (fetched !== FILE_BYTES) throw new Error(`${what}: ${fetched} bytes were fetched, not ${FILE_BYTES}`)
}

/** @param {Namespaces} nets @param {Daemon} daemon @returns {Promise<string[]>} */
async function peersOf(nets, daemon) {
  const program = shoal(nets, daemon, ['peers'])
  await program.success({ signal: lab.signal })
  return program.lines.filter(line => line.event === 'peer').map(line => String(line['peerId']))
}

/** Waits until each knows so many. @param {Namespaces} nets @param {readonly Daemon[]} daemons @param {number} count */
async function everyone(nets, daemons, count) {
  const end = performance.now() + KNOWN_MS
  for (const daemon of daemons) {
    while ((await peersOf(nets, daemon)).length < count) {
      if (performance.now() > end) throw new Error(`${daemon.name} does not know ${count} others after a minute`)
      await sleep(LOOK_MS, undefined, { signal: lab.signal })
    }
  }
}

/** As the left half sees it. @param {Namespaces} nets @param {readonly Daemon[]} daemons */
async function connectionsAcross(nets, daemons) {
  const right = new Set(daemons.filter(({ side }) => side === 'right').map(({ peerId }) => peerId))
  const seen = await Promise.all(daemons.filter(({ side }) => side === 'left').map(daemon => peersOf(nets, daemon)))
  return seen.flat().filter(id => right.has(id)).length
}

/** @param {readonly Daemon[]} side @returns {[Daemon, Daemon, Daemon]} */
function trio([a, b, c]) {
  if (a === undefined || b === undefined || c === undefined) throw new Error('three daemons a side')
  return [a, b, c]
}
