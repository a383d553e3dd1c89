/**
 * The peer benchmark's driver of shoal, run by `shoal` beside it. Each peer is one process with one node as a user gets
 * it: default settings, a DHT server, TLS, durable writes. A peer is told one address, the first of PEER_BOOT; who
 * has the content it finds out through the DHT.
 */
import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { cp, readdir, rm } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

/** @typedef {import('../../src/index.ts').NodeOptions} NodeOptions */
/** @typedef {import('../../src/index.ts').ShoalNode} ShoalNode */

const POLL_MS = 10
/** As the contract has it: an action that this driver does not know. */
const UNKNOWN_ACTION = 64

const stopped = new AbortController()
const { signal } = stopped
for (const name of /** @type {const} */ (['SIGTERM', 'SIGINT'])) process.on(name, () => stopped.abort())

/** @param {string} name */
function env(name) {
  const value = process.env[name]
  if (value === undefined || value === '') throw new Error(`${name} is not set: the benchmark sets it`)
  return value
}

/** @param {'READY' | 'DONE'} word */
const tell = word => appendFileSync(env('PEER_EVENTS'), `${word}\n`)

/** What `ingest` left. */
const ingested = () => join(env('PEER_STATE'), 'ingested')

/** @param {NodeOptions} options @returns {Promise<ShoalNode>} started */
async function startNode(options) {
  const built = new URL('../../dist/cli/bundled.js', import.meta.url)
  if (!existsSync(built)) throw new Error('dist is not there: run npm run build first')
  /** @type {typeof import('../../src/cli/tune-runtime.ts')} */
  const { tuneRuntime } = await import(new URL('tune-runtime.js', built).href)
  tuneRuntime()
  /** @type {typeof import('../../src/index.ts')} */
  const { createNode } = await import(built.href)
  const node = await createNode(options)
  await node.start({ signal })
  return node
}

/** @param {string} dataDir */
async function startPeer(dataDir) {
  const me = `${env('PEER_IP')}:${env('PEER_PORT')}`
  const [first = me] = (process.env['PEER_BOOT'] ?? '').split(',').filter(Boolean)
  /** @param {string} at ip:port */
  const multiaddr = at => `/ip4/${at.replace(':', '/tcp/')}`
  const peers = first === me ? [] : [multiaddr(first)]
  return await startNode({ dataDir, listen: [multiaddr(me)], peers, ...variants() })
}

/** What SHOAL_ENCRYPTION and PEER_SHOAL_MUXER choose, for comparisons; the defaults without them. @returns {Partial<NodeOptions>} */
function variants() {
  const encryption = process.env['SHOAL_ENCRYPTION']
  return {
    ...(encryption && { encryption: /** @type {NodeOptions['encryption'] & {}} */ (encryption.split(',')) }),
    ...(process.env['PEER_SHOAL_MUXER'] === 'stock' && { muxer: 'stock' })
  }
}

/** @param {() => boolean | Promise<boolean>} holds */
async function until(holds) {
  while (!(await holds())) await sleep(POLL_MS, undefined, { signal })
}

/** Keeps the peer up until the benchmark ends it. @param {ShoalNode} node @param {() => Promise<void>} [work] */
async function serve(node, work) {
  try {
    await work?.()
    if (!signal.aborted) await new Promise(resolve => signal.addEventListener('abort', resolve, { once: true }))
  } finally {
    await node.stop()
  }
}

async function version() {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
  const settings = 'TCP, TLS, yamux, one address known and the DHT, 1 MiB pieces, durable writes, default settings'
  console.log(`shoal ${version}, node ${process.version}, ${settings}`)
}

/** As `shoal share --no-seed`. */
async function ingest() {
  const node = await startNode({ dataDir: ingested(), offline: true })
  try {
    const { cid } = await node.share(env('PEER_SRC'), { signal })
    writeFileSync(env('PEER_REF'), `${cid}\n`)
  } finally {
    await node.stop()
  }
}

/**
 * As `shoal daemon`, on a copy of what `ingest` left: each run of the benchmark seeds the same state, and a seeder that
 * has met peers and announced itself must not be faster than one that has not.
 */
async function seed() {
  const dataDir = await freshCopy()
  try {
    const node = await startPeer(dataDir)
    await serve(node, async () => {
      await until(async () => {
        const { roots, dht } = await node.status({ signal })
        const problem = roots.find(root => root.problem !== null)?.problem
        if (problem) throw new Error(`${problem}; remove ${env('PEER_STATE')}, so that it is shared anew`)
        return dht.provided > 0
      })
      tell('READY')
    })
  } finally {
    await rm(dataDir, { recursive: true, force: true })
  }
}

async function freshCopy() {
  const state = env('PEER_STATE')
  for (const name of await readdir(state)) {
    const pid = /^seed-(\d+)$/.exec(name)?.[1]
    if (pid !== undefined && !isAlive(Number(pid))) await rm(join(state, name), { recursive: true, force: true })
  }
  const dataDir = join(state, `seed-${process.pid}`)
  await cp(ingested(), dataDir, { recursive: true })
  return dataDir
}

/** @param {number} pid */
function isAlive(pid) {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

/** As `shoal get --seed`, with the node up and in its network before GO where the benchmark gives one. */
async function fetch() {
  const node = await startPeer(join(env('PEER_STATE'), 'data'))
  await serve(node, async () => {
    const go = process.env['PEER_GO']
    if (go) {
      // In its network, as a daemon is that was started before: it has met the one whom it knows.
      await until(async () => (await node.status({ signal })).dht.peers > 0)
      tell('READY')
      await until(() => existsSync(go))
    }
    const cid = readFileSync(env('PEER_REF'), 'utf8').trim()
    await node.fetch(cid, { to: join(env('PEER_OUT'), basename(env('PEER_SRC'))), signal }).done
    tell('DONE')
  })
}

/** As `shoal daemon` on an empty data folder. */
async function idle() {
  const node = await startPeer(join(env('PEER_STATE'), 'data'))
  await serve(node, async () => tell('READY'))
}

/** As `shoal verify`. */
async function recheck() {
  const node = await startNode({ dataDir: ingested(), offline: true })
  try {
    const { bad } = await node.verify(readFileSync(env('PEER_REF'), 'utf8').trim(), { signal })
    if (bad.length > 0) throw new Error(`${bad.length} pieces are bad`)
  } finally {
    await node.stop()
  }
}

/** @type {Record<string, (() => Promise<void>) | undefined>} */
const actions = { version, ingest, seed, fetch, idle, recheck }
const action = actions[process.argv[2] ?? '']
try {
  if (action === undefined) process.exitCode = UNKNOWN_ACTION
  else await action()
} catch (err) {
  if (!signal.aborted) {
    console.error(`shoal: ${err instanceof Error ? err.message : err}`)
    process.exitCode = 1
  }
}
