/**
 * A data folder whose commands are killed, and a look at what is left of it after each kill. Nothing that was
 * acknowledged may be lost, nothing advertised that is not there, and a file of the user's never be touched.
 */
import { existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { checkout, cli } from '../lab/checkout.mjs'
import { compareTrees } from '../lab/compare.mjs'
import { execute, falsePieces, load, noise } from './killed.mjs'

/** @typedef {'share' | 'get' | 'verify' | 'rm' | 'fill'} Operation */
/** @typedef {import('./killed.mjs').Kill} Kill */
/** @typedef {import('./killed.mjs').Ran} Ran */
/** @typedef {'absent' | 'held' | 'unknown'} Presence */

const LOOPBACK = '/ip4/127.0.0.1/tcp/0'
/** Bytes a second: slow enough that a fetch records several times, and fast enough that it takes about a second. */
const FETCH_RATE = 5_000_000

/**
 * Files of every kind: large, small by the hundred, equal, empty, a link.
 * @param {string} folder @param {string} seed
 */
export function makeTree(folder, seed, largeBytes = 5_300_000) {
  mkdirSync(join(folder, 'small'), { recursive: true })
  writeFileSync(join(folder, 'large.bin'), noise(largeBytes, seed))
  writeFileSync(join(folder, 'small/equal.bin'), noise(1_500_000, seed))
  // So many that disk threads write them.
  for (let i = 0; i < 150; i++) writeFileSync(join(folder, 'small', `${i}`), noise(1 + 170 * i, `${seed} ${i}`))
  writeFileSync(join(folder, 'empty'), '')
  symlinkSync('large.bin', join(folder, 'link'))
}

export class Victim {
  /** What was lost, one line each; empty is what is wanted. @type {string[]} */
  lost = []
  /** Pieces that were recorded before a kill, and those that were hashed after it. */
  recordedPieces = 0
  hashedPieces = 0
  #folder
  /** @type {{ own: string, far: string }} */
  #cids
  #link
  #rate
  /** @type {{ own: Presence, far: Presence }} */
  #promised = { own: 'absent', far: 'absent' }
  /** Pieces of the fetch that are recorded for sure. @type {Set<number>} */
  #recorded = new Set()
  #isFetched = false

  /**
   * @param {string} folder has `own` and `far`, trees
   * @param {{ own: string, far: string }} cids
   * @param {string} link to `far`, at a seeder
   * @param {number} [rate] of fetches, bytes a second
   */
  constructor(folder, cids, link, rate = FETCH_RATE) {
    this.#folder = folder
    this.#cids = cids
    this.#link = link
    this.#rate = String(rate)
  }

  get dataDir() {
    return join(this.#folder, 'victim')
  }

  get #out() {
    return join(this.#folder, 'out')
  }

  /**
   * @param {Operation} operation
   * @param {'own' | 'far'} what
   * @returns {string[]}
   */
  #arguments(operation, what) {
    const common = ['--json', '--data-dir', this.dataDir]
    const net = ['--listen', LOOPBACK, '--timeout', '20']
    switch (operation) {
      case 'share':
        return [cli, 'share', join(this.#folder, 'own'), '--no-seed', ...common, ...net]
      case 'get':
        return [cli, 'get', this.#link, '-o', this.#out, '--down', this.#rate, ...common, ...net]
      case 'verify':
      case 'rm':
        return [cli, operation, this.#cids[what], ...common]
      case 'fill':
        return [join(checkout, 'scripts/soak/fill-store.mjs'), join(this.#folder, 'filled')]
    }
  }

  /**
   * Runs a command and kills it there; without a kill to its end.
   * @param {Operation} operation
   * @param {{ what?: 'own' | 'far', kill?: Kill | undefined, pointLog?: string }} [options]
   */
  async run(operation, { what = operation === 'get' ? 'far' : 'own', kill, pointLog } = {}) {
    const before = this.#promised[what]
    if (operation === 'share' || operation === 'get') this.#promised[what] = before === 'held' ? 'held' : 'unknown'
    if (operation === 'rm') this.#promised[what] = 'unknown'
    const ran = await execute(this.#arguments(operation, what), { kill, pointLog })
    const acknowledged = ran.events.map(({ event }) => event)
    if (acknowledged.includes('shared') || acknowledged.includes('done')) this.#promised[what] = 'held'
    if (acknowledged.includes('done')) this.#isFetched = true
    if (acknowledged.includes('removed')) this.#promised[what] = 'absent'
    if (operation === 'rm' && what === 'far') this.#recorded.clear()
    if (!ran.killed) this.#judgeEnd(operation, what, ran, before)
    return ran
  }

  /**
   * @param {Operation} operation
   * @param {'own' | 'far'} what
   * @param {Ran} ran
   * @param {Presence} before
   */
  #judgeEnd(operation, what, { code, stderr, events }, before) {
    const isGone = operation === 'rm' && before !== 'held' && code === 1
    if (isGone) this.#promised[what] = 'absent'
    if (code !== 0 && !isGone) this.lost.push(`${operation} ended with code ${code}: ${stderr.trim()}`)
    const verified = events.find(({ event }) => event === 'verified')
    if (verified !== undefined && JSON.stringify(verified['bad']) !== '[]') this.lost.push(`${what} has bad pieces`)
  }

  /** What the next start finds. */
  async judge() {
    const { ContentStore } = await load('content/store/content-store.js')
    const store = await ContentStore.open(this.dataDir)
    try {
      for (const sentence of store.damage) this.lost.push(`told as lost: ${sentence}`)
      /** @type {import('../../src/content/store/stored-root.ts').StoredRoot[]} */
      const roots = store.roots()
      for (const what of /** @type {const} */ (['own', 'far'])) {
        const root = roots.find(({ cid }) => cid.toString() === this.#cids[what])
        const promised = this.#promised[what]
        if (root === undefined && promised === 'held') this.lost.push(`the root of ${what}`)
        if (root !== undefined && promised === 'absent') this.lost.push(`${what} is there again after rm`)
        if (root !== undefined) await this.#judgeRoot(root, what)
      }
    } finally {
      await store.close()
    }
    await this.#judgeFiles()
  }

  /**
   * @param {import('../../src/content/store/stored-root.ts').StoredRoot} root
   * @param {'own' | 'far'} what
   */
  async #judgeRoot(root, what) {
    const wasMoving = root.isMoving
    await root.load()
    const recorded = root.state === 'partial' ? this.#recorded : new Set()
    this.lost.push(...(await falsePieces(root, what)))
    this.recordedPieces += recorded.size
    this.hashedPieces += root.unrecordedCount
    // Only where files were being moved may what is recorded have to be hashed again.
    const doubted = [...recorded].filter(piece => !root.have.has(piece))
    if (doubted.length > 0 && !wasMoving) this.lost.push(`${doubted.length} recorded pieces would be hashed again`)
    if (root.state === 'complete' && root.unrecordedCount > 0) {
      this.lost.push(`${root.unrecordedCount} pieces of ${what}, which is whole, would be hashed again`)
    }
    await root.recheckUnrecorded()
    await root.checkFiles()
    this.lost.push(...(await falsePieces(root, what)))
    for (const piece of recorded) if (!root.have.has(piece)) this.lost.push(`piece ${piece} of ${what}`)
    if (root.state === 'damaged') this.lost.push(`${what} is damaged: ${root.problem}`)
    if (root.state !== 'partial') return
    await root.flush()
    this.#recorded = new Set(root.have.ones())
  }

  async #judgeFiles() {
    const { differences } = await compareTrees(join(this.#folder, 'original'), join(this.#folder, 'own'))
    for (const difference of differences) this.lost.push(`a file of the user's: ${difference}`)
    if (!this.#isFetched) return
    const fetched = await compareTrees(join(this.#folder, 'far'), this.#out)
    for (const difference of fetched.differences) this.lost.push(`fetched: ${difference}`)
  }

  /** Makes room for another fetch, after `rm`. */
  clearFetched() {
    rmSync(this.#out, { recursive: true, force: true })
    this.#isFetched = false
    this.#recorded.clear()
  }

  /** Whether a temporary file is beside the destination. */
  get hasLeftovers() {
    return existsSync(join(this.#folder, `out.shoal-${this.#cids.far.slice(-8)}.part`))
  }

  /**
   * What `fill` acknowledged before it was killed must be in LevelDB, compaction or not.
   * @param {Ran} ran
   */
  async judgeFilled({ lines }) {
    /** @type {typeof import('../../src/content/store/database.ts')} */
    const { Database } = await load('content/store/database.js')
    const { keysOf } = await import('./fill-store.mjs')
    const silent = () => {}
    /** @type {any} */
    const log = { error: silent, warn: silent, info: silent, debug: silent, trace: silent, scope: () => log }
    const db = await Database.open(join(this.#folder, 'filled'), s => this.lost.push(`LevelDB: ${s}`), log)
    /** @type {Map<string, number>} */
    const found = new Map()
    for await (const { key, value } of db.entries('kv/')) {
      found.set(key, value === 'damaged' ? -1 : Buffer.from(value).readUInt32LE(0))
    }
    await db.close()
    const acknowledged = Number(lines.at(-1) ?? 0)
    const last = Math.max(0, ...found.values())
    if (last < acknowledged) this.lost.push(`batches ${last + 1} to ${acknowledged} of LevelDB`)
    /** @type {Map<string, number>} */
    const expected = new Map()
    for (let batch = 1; batch <= last; batch++) for (const key of keysOf(batch)) expected.set(key, batch)
    for (const [key, batch] of expected) if (found.get(key) !== batch) this.lost.push(`${key} of LevelDB`)
  }
}
