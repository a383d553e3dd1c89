/**
 * The DHT under churn: a network of real hosts in one process, a fifth of which is replaced each minute. Newcomers look
 * for content that was announced before they came. Prints a table, writes JSON, and fails when a bound is broken.
 * See docs/reliability.md.
 *
 *     npm run soak:dht -- [--nodes 60] [--minutes 10] [--seed N] [--replaced 0.2] [--contacts 2] [--json FILE]
 */
import { writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { formatTable } from '../lab/format.mjs'
import { builtContacts, builtHosts, builtRandom, builtReprovider } from './built.mjs'
import { DhtNetwork } from './dht-network.mjs'
import { fraction, percentile, randomSeed, verdicts } from './figures.mjs'
import { LoopDelay } from './vitals.mjs'

const { values } = parseArgs({
  options: {
    nodes: { type: 'string', default: '60' },
    minutes: { type: 'string', default: '10' },
    seed: { type: 'string' },
    replaced: { type: 'string', default: '0.2' },
    contacts: { type: 'string', default: '2' },
    json: { type: 'string' }
  }
})
const nodes = Number(values.nodes)
const minutes = Number(values.minutes)
const replaced = Number(values.replaced)
const contactsEach = Number(values.contacts)
const seed = Number(values.seed ?? randomSeed())
const isTold = Number.isInteger(contactsEach) && contactsEach >= 1 && contactsEach <= 8
if (
  !(isTold && nodes >= 8 && nodes <= 200 && minutes > 0 && minutes <= 600 && replaced > 0 && replaced <= 1 && seed >= 0)
) {
  console.error(
    'soak: --nodes 8 to 200, --minutes up to 600, --replaced 0 to 1 (a minute), --contacts 1 to 8, --seed a whole number'
  )
  process.exit(2)
}

const MINUTE_MS = 60_000
/** One node in six stays and shares. */
const stayers = Math.max(2, Math.round(nodes / 6))
const JOIN_GAP_MS = 100
const SETTLE_MS = 20_000
const IDLE_MS = Math.min(MINUTE_MS, (minutes * MINUTE_MS) / 4)

const random = (await builtRandom()).seededRandom(seed)
const { Reprovider } = await builtReprovider()
const { HostContacts: Contacts } = await builtContacts()
const network = new DhtNetwork({ makeHost: await builtHosts(), Reprovider, Contacts, contactsEach, random })
console.log(`seed ${seed}: ${nodes} nodes, ${stayers} of which stay and share; ${replaced * nodes} replaced a minute`)

let stopping = false
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.on(signal, () => {
    if (stopping) process.exit(130)
    stopping = true
  })
}

/**
 * What a node sends in a minute, over those that were there from beginning to end.
 * @param {ReturnType<DhtNetwork['traffic']>} before
 * @param {number} ms
 */
function perMinute(before, ms) {
  const after = network.traffic()
  const both = [...after].flatMap(([name, now]) => {
    const then = before.get(name)
    if (then === undefined) return []
    return [{ bytes: now.sentBytes - then.sentBytes, messages: now.messages - then.messages }]
  })
  const mean = (/** @type {number[]} */ list) => list.reduce((sum, one) => sum + one, 0) / Math.max(1, list.length)
  return {
    bytes: Math.round((mean(both.map(one => one.bytes)) * MINUTE_MS) / ms),
    messages: Math.round((mean(both.map(one => one.messages)) * MINUTE_MS) / ms)
  }
}

/** @type {import('./dht-network.mjs').Try[]} */
const tries = []
/** @type {Array<{ entries: number, dead: number }>} */
const tables = []

try {
  for (let i = 0; i < nodes && !stopping; i++) {
    await network.join({ stays: i % Math.floor(nodes / stayers) === 0 && network.stayers.length < stayers })
    await sleep(JOIN_GAP_MS)
  }
  await network.announced()
  await sleep(SETTLE_MS)
  let before = network.traffic()
  let since = performance.now()
  await sleep(IDLE_MS)
  const idle = perMinute(before, performance.now() - since)
  console.log(`idle: a node sends ${idle.messages} messages and ${idle.bytes} bytes a minute`)

  before = network.traffic()
  since = performance.now()
  const loop = new LoopDelay()
  loop.start()
  const cpu = process.cpuUsage()
  const announcedBefore = network.announcements
  const end = since + minutes * MINUTE_MS
  const gapMs = MINUTE_MS / (replaced * nodes)
  /** @type {Set<Promise<void>>} */
  const looking = new Set()
  for (let turn = 1; performance.now() < end && !stopping; turn++) {
    const newcomer = await network.replaceOne()
    const look = network
      .find(newcomer)
      .then(result => {
        tries.push(result)
        if (!result.first) console.log(`${newcomer.name}: ${JSON.stringify(result)}`)
      })
      .finally(() => looking.delete(look))
    looking.add(look)
    tables.push(await network.tables())
    await sleep(Math.max(0, since + turn * gapMs - performance.now()))
  }
  await Promise.all([...looking])
  const busy = perMinute(before, performance.now() - since)
  const announcements = network.announcements - announcedBefore
  const { user, system } = process.cpuUsage(cpu)
  const cpuShare = (user + system) / 1000 / (performance.now() - since)
  const firstMs = tries.map(one => one.firstMs)
  const longestMs = tries.map(one => one.longestMs)
  const dead = tables.map(one => one.dead / Math.max(1, one.entries))
  const figures = verdicts([
    { name: 'found by the first lookup', value: fraction(tries.filter(one => one.first).length, tries.length) },
    { name: 'found', value: fraction(tries.filter(one => one.found).length, tries.length), atLeast: 0.99 },
    { name: 'provider named, median', unit: 'ms', value: percentile(firstMs, 50) },
    { name: 'provider named, 99 %', unit: 'ms', value: percentile(firstMs, 99), atMost: 10_000 },
    { name: 'whole lookup, median', unit: 'ms', value: percentile(longestMs, 50) },
    { name: 'whole lookup, longest', unit: 'ms', value: percentile(longestMs, 100), atMost: 31_000 },
    { name: 'table entries that name the dead, mean', value: fraction(sum(dead), dead.length), atMost: 0.2 },
    { name: 'idle: messages a node and minute', value: idle.messages, atMost: 120 },
    { name: 'idle: bytes a node and minute', unit: 'B', value: idle.bytes, atMost: 128 * 1024 },
    { name: 'churn: messages a node and minute', value: busy.messages },
    { name: 'churn: bytes a node and minute', unit: 'B', value: busy.bytes },
    { name: 'announcements of a record and minute', value: announcements / stayers / minutes },
    { name: 'of the measurement itself: event loop delay, p99', unit: 'ms', value: loop.percentile(99) },
    { name: 'of the measurement itself: share of one processor', value: cpuShare }
  ])
  console.log(`${tries.length} newcomers looked`)
  for (const line of formatTable(['what', 'figure', 'bound', ''], figures.rows)) console.log(line)
  if (values.json !== undefined) {
    const report = { seed, nodes, stayers, minutes, replaced, tries: tries.length, figures: figures.figures }
    writeFileSync(values.json, `${JSON.stringify(report, null, 2)}\n`)
  }
  if (!figures.isWithin || stopping) process.exitCode = 1
} finally {
  await network.close()
}

/** @param {readonly number[]} list */
function sum(list) {
  return list.reduce((total, one) => total + one, 0)
}
