/**
 * The demo: see scripts/demo, which sets up and runs this. Every node and every command is a process of the real
 * program; this file starts them, watches them through their control sockets, kills one, and compares what arrived.
 */
import { existsSync, mkdirSync, realpathSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { drawCast } from './lab/cast.mjs'
import { checkout, loadClient } from './lab/checkout.mjs'
import { formatBytes, formatSeconds, joinWords, plural } from './lab/format.mjs'
import { Lab } from './lab/lab.mjs'
import { Holdings } from './lab/pieces.mjs'
import { closingTable, proveFetches } from './lab/proof.mjs'
import { Story } from './lab/story.mjs'

/** @typedef {import('./lab/program.mjs').Program} Program */
/** @typedef {import('../src/rpc/client.ts').RemoteNode} RemoteNode */
/** @typedef {import('./lab/proof.mjs').Fetch} Fetch */
/** @typedef {import('./lab/proof.mjs').Input & { cid: string, pieces: number, holdings: Holdings }} Input */
/** @typedef {{ number: number, program: Program, remote: RemoteNode, addr: string }} Node */

const NODES = 8
const SHARER = 1
const LOOPBACK = '/ip4/127.0.0.1/tcp/0'
const TIMEOUT_MS = 120_000
const POLL_MS = 100

const { values: options } = parseArgs({ options: { seed: { type: 'string' } } })
const cast = drawCast(options.seed === undefined ? Math.floor(Math.random() * 10_000) : Number(options.seed), NODES)
const lab = new Lab('shoal-demo')
const { signal } = lab
const story = new Story()
const { connectNode } = await loadClient()

/** @type {Node[]} in the order of their numbers, from 1 on */
const nodes = []
/** @type {Fetch[]} */
const fetches = []

/** @param {number} number */
function node(number) {
  const found = nodes[number - 1]
  if (found === undefined) throw new Error(`there is no node ${number}`)
  return found
}

/** @param {number} number */
const dataDir = number => lab.path(`node-${number}`)

async function startNodes() {
  story.say(`Everything happens on 127.0.0.1 and in ${lab.folder}. Seed ${cast.seed}.`)
  const told = Array.from({ length: NODES - 1 }, (_, i) => `${i + 2}→${cast.toldOf[i + 2]}`)
  story.act(
    `${NODES} nodes start, each a process of its own. Somebody has to be first: node 1. Each of the others is told of ` +
      `exactly one that is there already: ${told.join('  ')}`,
    'starting the nodes'
  )
  /** @type {Array<Promise<Node>>} */
  const starting = []
  for (let number = 1; number <= NODES; number++) {
    starting.push(startNode(number, starting[(cast.toldOf[number] ?? 0) - 1]))
  }
  nodes.push(...(await Promise.all(starting)))
  story.say(`All ${NODES} are ready.`)
}

/** @param {number} number @param {Promise<Node> | undefined} toldOf */
async function startNode(number, toldOf) {
  const peer = toldOf === undefined ? [] : ['--peer', (await toldOf).addr]
  const args = ['daemon', '--data-dir', dataDir(number), '--listen', LOOPBACK, ...peer]
  const program = lab.shoal(`node ${number}`, args)
  const ready = await program.event('ready', { signal })
  const remote = await connectNode(dataDir(number))
  if (remote === undefined) throw program.failure('does not answer on its control socket')
  return { number, program, remote, addr: String(ready['addrs'][0]) }
}

async function formNetwork() {
  story.now = 'forming one network'
  /** @type {number[]} */
  let known = []
  do {
    await sleep(known.length === 0 ? 0 : POLL_MS, undefined, { signal })
    const states = await Promise.all(nodes.map(({ remote }) => remote.status({ signal })))
    known = states.map(status => status.dht.peers)
    story.progress(`nodes in each one's routing table: ${known.join(' ')}`)
  } while (known.some(count => count < Math.min(2, NODES - 1)))
  story.say(`One network: their DHT routing tables hold ${known.join(', ')} of the ${NODES - 1} others.`)
}

async function shareInputs() {
  story.act('Node 1 shares two real inputs, where they lie.', 'sharing')
  /** @type {Input[]} */
  const inputs = []
  for (const [name, path] of [
    ['node', realpathSync(process.execPath)],
    ['node_modules', `${checkout}/node_modules`]
  ]) {
    if (name === undefined || path === undefined) continue
    const run = lab.shoal(`shoal share ${name}`, ['share', path, '--data-dir', dataDir(SHARER)])
    const { cid, size, pieces } = await run.event('shared', { signal })
    await run.success({ signal })
    inputs.push({ name, path, cid, size, pieces, holdings: new Holdings() })
    story.say(`${path}: ${formatBytes(size)}, ${plural(pieces, 'piece')}, hashed in ${formatSeconds(elapsed(run))}`)
    story.detail(cid)
  }
  story.now = 'announcing in the DHT'
  const holders = await Promise.all(inputs.map(({ cid }) => node(SHARER).remote.announced(cid, { signal })))
  story.say(`${joinWords(holders.map(String))} DHT nodes hold the records that say who has them.`)
  return inputs
}

/** @param {Program} run how long it took, process start and end included, in ms */
function elapsed(run) {
  return performance.now() - run.startedAt
}

/** @param {string} who @param {string} folder @param {Input} input @param {readonly string[]} args @returns {Fetch} */
function startFetch(who, folder, input, args) {
  mkdirSync(lab.path('got', folder), { recursive: true })
  const to = lab.path('got', folder, input.name)
  const run = lab.shoal(`${who}: shoal get ${input.name}`, ['get', input.cid, '-o', to, ...args])
  const fetch = { who, input, to, run, result: undefined }
  fetches.push(fetch)
  return fetch
}

/** @param {Fetch} fetch */
async function finishFetch(fetch) {
  await fetch.run.success({ signal })
  fetch.result = fetch.run.last('done')
  if (fetch.result === undefined) throw fetch.run.failure('ended without "done"')
}

/** @param {Input[]} inputs @returns {Promise<number>} bytes that the sharer sent before its end */
async function fetchAndKill(inputs) {
  const names = joinWords(cast.fetchers.map(String))
  story.act(`Nodes ${names} fetch both at once, told of nothing but the two hashes.`, 'three nodes fetch')
  for (const number of cast.fetchers) {
    for (const input of inputs) startFetch(`node ${number}`, `node-${number}`, input, ['--data-dir', dataDir(number)])
  }
  const finished = Promise.all(fetches.map(finishFetch))
  let allFinished = false
  let wasFinished = false
  finished.then(
    () => {
      allFinished = true
    },
    () => {}
  )

  const total = inputs.reduce((sum, { size }) => sum + size, 0)
  let sent = 0
  /** @type {string[]} */
  let shares = []
  while (inputs.some(({ holdings }) => !holdings.complete)) {
    if (wasFinished) throw new Error('all have finished, but their bitfields do not show every piece')
    await Promise.race([sleep(POLL_MS, undefined, { signal }), finished])
    wasFinished = allFinished
    const have = await Promise.all(cast.fetchers.map(number => observe(node(number), inputs)))
    sent = await sentBytes(node(SHARER), sent)
    shares = have.map((bytes, i) => `node ${cast.fetchers[i]} ${Math.floor((100 * bytes) / total)} %`)
    story.progress(`${shares.join('   ')}   sent by node 1: ${formatBytes(sent)}`)
  }
  const sharer = node(SHARER)
  sharer.program.kill('SIGKILL')
  const end = await sharer.program.end
  if (end.signal !== 'SIGKILL') throw sharer.program.failure('was not there to be killed')
  story.say(`The other nodes together hold every piece (${shares.join(', ')}). Node 1 is killed with SIGKILL.`)
  story.now = 'three nodes finish without the sharer'
  await finished
  story.say(`Nodes ${names} have both.`)
  return sent
}

/**
 * Adds what a node holds to the holdings of the inputs.
 * @param {Node} node
 * @param {Input[]} inputs
 * @returns {Promise<number>} bytes it has of all of them
 */
async function observe(node, inputs) {
  let have = 0
  for (const { cid, pieces, holdings } of inputs) {
    const root = await rootOf(node, cid)
    if (root === undefined) continue
    have += root.have
    if (root.bitfield !== undefined && root.pieces === pieces) holdings.add(pieces, root.bitfield)
  }
  return have
}

/** @param {Node} node @param {string} cid */
async function rootOf(node, cid) {
  try {
    return (await node.remote.status({ cid, signal })).roots.find(root => root.cid === cid)
  } catch (err) {
    // Its fetch has just begun.
    if (err instanceof Error && 'code' in err && err.code === 'ERR_UNKNOWN_ROOT') return undefined
    throw err
  }
}

/** @param {Node} node @param {number} before */
async function sentBytes(node, before) {
  const { sentBytes, roots } = await node.remote.status({ signal })
  const damaged = roots.find(root => root.state === 'damaged')
  if (damaged !== undefined) {
    throw new Error(
      `an input changed while it was shared; is an install or a test run going on?\n    ${damaged.problem}`
    )
  }
  return Math.max(before, sentBytes)
}

/** @param {Input[]} inputs */
async function welcomeNewcomer(inputs) {
  const contact = node(cast.contact)
  const held = (await contact.remote.list({ signal })).length
  if (held !== 0) throw new Error(`node ${cast.contact} was to hold nothing, but holds ${plural(held, 'root')}`)
  story.act(
    `A newcomer arrives after the sharer's death. It is told of node ${cast.contact} alone, which holds nothing.`,
    'the newcomer fetches'
  )
  for (const input of inputs) {
    const args = ['--data-dir', lab.path('newcomer'), '--listen', LOOPBACK, '--peer', contact.addr]
    const fetch = startFetch('newcomer', 'newcomer', input, args)
    const finished = finishFetch(fetch)
    finished.catch(() => {})
    while (fetch.run.ended === undefined) {
      await Promise.race([sleep(POLL_MS, undefined, { signal }), finished])
      const { have, size, peers } = fetch.run.progress
      if (fetch.run.ended === undefined) {
        story.progress(`${input.name} ${Math.floor((100 * have) / (size || 1))} % from ${plural(peers, 'peer')}`)
      }
    }
    await finished
    story.say(`It has ${input.name}, after ${formatSeconds(elapsed(fetch.run))}.`)
  }
}

/** @param {unknown} err */
function explain(err) {
  story.block([`FAILED after ${formatSeconds(story.elapsedMs)}, while ${story.now}:`])
  story.block([`  ${err instanceof Error ? err.message : err}`, ''])
  for (const { who, input, run, result } of fetches) {
    const { have, size, peers } = run.progress
    const state = result === undefined ? `${formatBytes(have)} of ${formatBytes(size)} from ${peers} peers` : 'done'
    console.log(`  ${who}: ${input.name}: ${state}`)
  }
  for (const program of lab.programs) {
    for (const line of program.stderr.slice(-5)) console.log(`  ${program.label} said: ${line}`)
  }
}

console.log('shoal demo: a network, three that fetch, a sharer that dies, a newcomer\n')
const ok = await lab.main({
  timeoutMs: TIMEOUT_MS,
  onFailure: explain,
  work: async () => {
    await startNodes()
    await formNetwork()
    const inputs = await shareInputs()
    const sent = await fetchAndKill(inputs)
    await welcomeNewcomer(inputs)
    await proveFetches(fetches, { story, signal })
    story.block(closingTable(fetches, sent))
  }
})
const leftOver = [...lab.alive.map(({ label }) => label), ...(existsSync(lab.folder) ? [lab.folder] : [])]
story.block(
  leftOver.length === 0
    ? [
        `${ok ? 'All of it was proven' : 'Not proven'}, in ${formatSeconds(story.elapsedMs)}. No process and no folder is left.`
      ]
    : [`Left over: ${leftOver.join(', ')}`]
)
process.exit(ok && leftOver.length === 0 ? 0 : Number(process.exitCode) || 1)
