/**
 * A data folder under a storage limit, whose commands are killed: fetches that must delete one thing to make room for
 * another, pin, unpin, gc, and a start under a limit that is lower than what is held. After each kill, at the next start:
 * nothing that is pinned is gone, what may go is whole or gone, the limit is kept, and the user's files are as they were.
 */
import {
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync
} from 'node:fs'
import { join } from 'node:path'
import { cli } from '../lab/checkout.mjs'
import { compareTrees } from '../lab/compare.mjs'
import { execute, falsePieces, load, noise } from './killed.mjs'

/** A CID that no thing here has: gc looks at nothing else in the cache. */
const NOBODYS = 'bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy'

/** @typedef {'fetch' | 'settle' | 'pin' | 'unpin' | 'gc'} HoardOperation */
/** @typedef {'kept' | 'a' | 'b'} Thing `kept` is fetched once and stays pinned; `a` and `b` do not fit together */
/** @typedef {{ state: 'absent' | 'partial' | 'complete', pinned: boolean }} Found */
/** @typedef {import('./killed.mjs').Kill} Kill */
/** @typedef {import('./killed.mjs').Ran} Ran */

export const THINGS = /** @type {const} */ (['kept', 'a', 'b'])
/** Each thing is of about 2.3 MB: two of them fit, three do not; under the low limit one does. */
const LIMIT_BYTES = 5_500_000
const LOW_LIMIT_BYTES = 3_500_000
/** What a file takes on the disk beyond its bytes, where it is sparse: the rest of a block at either end. */
const BLOCKS_BYTES = 8192
const FETCH_RATE = '5M'
const LOOPBACK = '/ip4/127.0.0.1/tcp/0'
const MINE = 'a file of the user'

/** @param {string} folder @param {string} seed */
export function makeThing(folder, seed) {
  mkdirSync(join(folder, 'deep/er'), { recursive: true })
  writeFileSync(join(folder, 'large.bin'), noise(2_100_000, seed))
  for (let i = 0; i < 12; i++)
    writeFileSync(join(folder, i % 2 ? 'deep' : 'deep/er', `${i}`), noise(15_000, `${seed} ${i}`))
  writeFileSync(join(folder, 'empty'), '')
  symlinkSync('large.bin', join(folder, 'link'))
}

export class Hoard {
  /** What was lost, one line each; empty is what is wanted. @type {string[]} */
  lost = []
  #folder
  #links
  #peer
  /** As the last start found it. @type {Map<Thing, Found>} */
  #found = new Map(THINGS.map(thing => [thing, { state: 'absent', pinned: true }]))

  /**
   * @param {string} folder
   * @param {{ sources: string, links: Record<Thing, string>, peer: string }} from `sources` has a folder of each thing;
   *   `peer` is the address of who shares them
   */
  constructor(folder, { sources, links, peer }) {
    this.#folder = folder
    this.#links = links
    this.#peer = peer
    this.sources = sources
    mkdirSync(join(folder, 'out'), { recursive: true })
    writeFileSync(join(folder, 'out/mine'), MINE)
  }

  get dataDir() {
    return join(this.#folder, 'hoarder')
  }

  /** @param {Thing} thing */
  stateOf(thing) {
    return this.#found.get(thing) ?? { state: 'absent', pinned: true }
  }

  /** Fetches what is to stay. */
  async open() {
    await this.run('fetch', { what: 'kept' })
  }

  /** @param {Thing} thing */
  #out(thing) {
    return join(this.#folder, 'out', thing)
  }

  /** @param {HoardOperation} operation @param {Thing} what @returns {string[]} */
  #arguments(operation, what) {
    const common = ['--json', '--data-dir', this.dataDir]
    const net = ['--listen', LOOPBACK, '--peer', this.#peer]
    switch (operation) {
      case 'fetch': {
        const limits = ['--down', FETCH_RATE, '--max-storage', `${LIMIT_BYTES}`, '--timeout', '20']
        return [cli, 'get', this.#links[what], '-o', this.#out(what), ...limits, ...net, ...common]
      }
      case 'settle':
        return [cli, 'daemon', '--max-storage', `${LOW_LIMIT_BYTES}`, ...net, ...common]
      case 'pin':
      case 'unpin':
        return [cli, operation, this.#links[what], ...common]
      case 'gc':
        return [cli, 'gc', ...common]
    }
  }

  /**
   * Runs a command and kills it there, without a kill to its end; then looks at what is left.
   * @param {HoardOperation} operation `settle` ends when something was deleted
   * @param {{ what?: Thing | undefined, kill?: Kill | undefined, pointLog?: string }} [options]
   */
  async run(operation, { what = 'a', kill, pointLog } = {}) {
    if (operation === 'gc') this.#litter()
    const until = operation === 'settle' ? ['evicted', 'exceeded'] : []
    const ran = await execute(this.#arguments(operation, what), { kill, pointLog, until })
    if (!ran.killed) this.#judgeEnd(operation, what, ran)
    await this.#judge(operation, what, ran)
    return ran
  }

  /** Content in the cache that is of no root, which gc deletes. */
  #litter() {
    const cache = join(this.dataDir, 'cache')
    mkdirSync(cache, { recursive: true })
    cpSync(join(this.sources, 'b/deep'), join(cache, NOBODYS), { recursive: true })
  }

  /** The other one of the two that do not fit together. @param {Thing} what @returns {Thing} */
  #rivalOf(what) {
    return what === 'a' ? 'b' : 'a'
  }

  /** Whether another has to go for it, and may. @param {Thing} what */
  needsRoom(what) {
    const rival = this.stateOf(this.#rivalOf(what))
    return rival.state === 'complete' && !rival.pinned
  }

  /** @param {HoardOperation} operation @param {Thing} what @param {Ran} ran */
  #judgeEnd(operation, what, { code, stderr, events }) {
    const rival = this.stateOf(this.#rivalOf(what))
    const isRefused = operation === 'fetch' && what !== 'kept' && rival.state === 'complete' && rival.pinned
    if (code !== (isRefused ? 5 : 0)) this.lost.push(`${operation} ended with code ${code}: ${stderr.trim()}`)
    if (operation === 'settle' && !events.some(({ event }) => event === 'evicted')) {
      this.lost.push(`a start under a lower limit deleted nothing: ${stderr.trim()}`)
    }
    if (operation !== 'gc') return
    const cache = join(this.dataDir, 'cache')
    if (existsSync(cache) && readdirSync(cache).length > 0) this.lost.push('gc left what it was to delete')
  }

  /**
   * What the next start may find of a thing, given what the last one found.
   * @param {Thing} thing
   * @param {HoardOperation} operation
   * @param {Thing} what
   * @param {string[]} told events
   * @returns {Found[]}
   */
  #allowed(thing, operation, what, told) {
    const before = this.stateOf(thing)
    const isSubject = thing === what
    if (operation === 'fetch' && isSubject) {
      if (told.includes('done')) return [{ ...before, state: 'complete' }]
      const all = [
        before,
        { ...before, state: /** @type {const} */ ('partial') },
        { ...before, state: /** @type {const} */ ('complete') }
      ]
      return all.slice(['absent', 'partial', 'complete'].indexOf(before.state))
    }
    if ((operation === 'pin' || operation === 'unpin') && isSubject) {
      const wanted = { ...before, pinned: operation === 'pin' }
      return told.includes(`${operation}ned`) ? [wanted] : [before, wanted]
    }
    if ((operation === 'fetch' || operation === 'settle') && !before.pinned && before.state === 'complete') {
      const gone = { state: /** @type {const} */ ('absent'), pinned: true }
      const mustGo = operation === 'fetch' ? told.includes('done') && what !== 'kept' : told.includes('evicted')
      return mustGo ? [gone] : [before, gone]
    }
    return [before]
  }

  /** @param {HoardOperation} operation @param {Thing} what @param {Ran} ran */
  async #judge(operation, what, ran) {
    const told = ran.events.map(({ event }) => event)
    const { ContentStore } = await load('content/store/content-store.js')
    const store = await ContentStore.open(this.dataDir)
    let heldBytes = 0
    try {
      for (const sentence of store.damage) this.lost.push(`told as lost: ${sentence}`)
      /** @type {import('../../src/content/store/stored-root.ts').StoredRoot[]} */
      const roots = store.roots()
      for (const thing of THINGS) {
        const root = roots.find(({ cid }) => this.#links[thing].includes(cid.toString()))
        const found = await this.#look(thing, root)
        const allowed = this.#allowed(thing, operation, what, told)
        if (!allowed.some(({ state, pinned }) => state === found.state && pinned === found.pinned)) {
          this.lost.push(`${thing} is ${describe(found)}, and was to be ${allowed.map(describe).join(' or ')}`)
        }
        heldBytes += root?.heldBytes ?? 0
        this.#found.set(thing, found)
      }
      this.#judgeRoom(heldBytes, operation === 'settle' && told.includes('evicted') ? LOW_LIMIT_BYTES : LIMIT_BYTES)
    } finally {
      await store.close()
    }
    const mine = join(this.#folder, 'out/mine')
    if (!existsSync(mine) || readFileSync(mine, 'utf8') !== MINE) this.lost.push("a file of the user's is gone")
  }

  /**
   * @param {Thing} thing
   * @param {import('../../src/content/store/stored-root.ts').StoredRoot | undefined} root
   * @returns {Promise<Found>}
   */
  async #look(thing, root) {
    if (root === undefined) {
      if (existsSync(this.#out(thing))) this.lost.push(`files of ${thing} stay, and nothing knows of them`)
      return { state: 'absent', pinned: true }
    }
    await root.load()
    this.lost.push(...(await falsePieces(root, thing)))
    await root.recheckUnrecorded()
    await root.checkFiles()
    this.lost.push(...(await falsePieces(root, thing)))
    if (root.state === 'damaged') this.lost.push(`${thing} is damaged: ${root.problem}`)
    const pinned = !root.isEvictable
    if (root.state !== 'complete') {
      await root.flush()
      return { state: 'partial', pinned }
    }
    const { differences } = await compareTrees(join(this.sources, thing), this.#out(thing))
    for (const difference of differences) this.lost.push(`fetched: ${difference}`)
    return { state: 'complete', pinned }
  }

  /** By the records, and by what the disk has, with what no record knows of. @param {number} held @param {number} limit */
  #judgeRoom(held, limit) {
    if (held > limit) this.lost.push(`${held} bytes are held, under a limit of ${limit}`)
    let onDisk = 0
    for (const name of readdirSync(join(this.#folder, 'out'), { recursive: true, encoding: 'utf8' })) {
      const stats = lstatSync(join(this.#folder, 'out', name))
      if (stats.isFile()) onDisk += Math.min(stats.size, Math.max(0, stats.blocks * 512 - BLOCKS_BYTES))
    }
    if (onDisk > limit) this.lost.push(`${onDisk} bytes are on the disk, under a limit of ${limit}`)
  }
}

/** @param {Found} found */
function describe({ state, pinned }) {
  return state === 'absent' ? state : `${state} and ${pinned ? 'pinned' : 'unpinned'}`
}
