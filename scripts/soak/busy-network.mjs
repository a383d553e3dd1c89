/**
 * Nodes of this process that share, fetch, read, limit, remove and restart, round after round. Every round ends with as
 * much held as the one before: what was shared in a round is fetched by others, compared, and removed everywhere two
 * rounds later.
 */
import { createHash } from 'node:crypto'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/** @typedef {import('../../src/node/api.ts').ShoalNode} ShoalNode */
/** @typedef {import('../../src/base/random.ts').Random} Random */
/** @typedef {typeof import('../../src/index.ts').createNode} CreateNode */
/** @typedef {{ cid: string, link: string, digest: string, paths: Map<number, string> }} Shared paths: node → its copy */

const LISTEN = ['/ip4/127.0.0.1/tcp/0']
const SHARES_A_ROUND = 4
const FETCHERS = 2
const KEPT_ROUNDS = 2
const LARGEST_BYTES = 3 << 20
const FETCH_TIMEOUT_MS = 30_000

export class BusyNetwork {
  fetched = 0
  restarts = 0
  removed = 0
  #create
  #random
  #folder
  /** @type {ShoalNode[]} */
  #nodes = []
  /** Of the last rounds. @type {Shared[][]} */
  #held = []
  #files = 0

  /**
   * @param {object} init
   * @param {CreateNode} init.createNode
   * @param {Random} init.random
   * @param {string} init.folder where data folders and files go; removed by whoever made it
   */
  constructor({ createNode, random, folder }) {
    this.#create = createNode
    this.#random = random
    this.#folder = folder
  }

  /** @param {number} count */
  async start(count) {
    for (let i = 0; i < count; i++) this.#nodes.push(await this.#startNode(i))
  }

  /** @param {number} index */
  async #startNode(index) {
    const peers = this.#nodes.filter((_, other) => other !== index).flatMap(node => node.addrs)
    const node = await this.#create({ dataDir: join(this.#folder, `node-${index}`), listen: LISTEN, peers })
    await node.start()
    return node
  }

  /** Shares, fetches by others, comparisons, a partial read, a limit, removals, a restart. */
  async round() {
    /** @type {Shared[]} */
    const shared = []
    for (let i = 0; i < SHARES_A_ROUND; i++) shared.push(await this.#share())
    await Promise.all(shared.map(one => this.#spread(one)))
    this.#held.push(shared)
    await this.#cancelOne(shared)
    await this.#limitOne()
    if (this.#held.length > KEPT_ROUNDS) for (const one of this.#held.shift() ?? []) await this.#forget(one)
    await this.#restartOne()
  }

  /** @returns {Promise<Shared>} */
  async #share() {
    const index = this.#random.below(this.#nodes.length)
    const path = join(this.#folder, `file-${++this.#files}`)
    const bytes = Buffer.alloc(1 + this.#random.below(LARGEST_BYTES), `${this.#files}/${this.#random.next()}`)
    await writeFile(path, bytes)
    const { cid, link } = await this.#node(index).share(path)
    return { cid, link, digest: sha256(bytes), paths: new Map([[index, path]]) }
  }

  /** Others fetch it: the first by its link, the next by its CID alone. @param {Shared} shared */
  async #spread(shared) {
    for (let n = 0; n < FETCHERS; n++) {
      const index = this.#another(shared)
      const to = join(this.#folder, `${shared.cid}-${index}`)
      const source = n === 0 ? shared.link : shared.cid
      await this.#node(index).fetch(source, { to, timeoutMs: FETCH_TIMEOUT_MS }).done
      shared.paths.set(index, to)
      if (sha256(await readFile(to)) !== shared.digest)
        throw new Error(`node ${index} got wrong bytes of ${shared.cid}`)
      this.fetched += 1
    }
  }

  /** A fetch that is given up and a read that is broken off leave nothing behind. @param {readonly Shared[]} shared */
  async #cancelOne([one]) {
    if (one === undefined) return
    const index = this.#another(one)
    const node = this.#node(index)
    const to = join(this.#folder, `cancelled-${index}`)
    const transfer = node.fetch(one.cid, { to })
    transfer.cancel()
    await transfer.done.catch(() => {})
    for await (const _ of node.read(one.link, { length: 1000, timeoutMs: FETCH_TIMEOUT_MS })) break
    await this.#drop(index, one.cid)
    await rm(to, { force: true })
  }

  async #limitOne() {
    const node = this.#node(this.#random.below(this.#nodes.length))
    await node.setLimits({ up: 50_000_000 + this.#random.below(1_000_000) })
    await node.setLimits({ up: null })
    await node.status()
    await node.peers()
  }

  /** @param {Shared} shared */
  async #forget({ cid, paths }) {
    for (const [index, path] of paths) {
      await this.#drop(index, cid)
      await rm(path, { force: true })
    }
  }

  /** @param {number} index @param {string} cid */
  async #drop(index, cid) {
    const node = this.#node(index)
    const held = await node.list()
    if (!held.some(root => root.cid === cid)) return
    await node.remove(cid)
    this.removed += 1
  }

  /** With the same data folder and identity, at another address. */
  async #restartOne() {
    const index = this.#random.below(this.#nodes.length)
    await this.#node(index).stop()
    this.#nodes[index] = await this.#startNode(index)
    this.restarts += 1
  }

  /** A node that does not hold it. @param {Shared} shared */
  #another({ paths }) {
    const others = this.#nodes.map((_, index) => index).filter(index => !paths.has(index))
    return others[this.#random.below(Math.max(1, others.length))] ?? 0
  }

  /** @param {number} index @returns {ShoalNode} */
  #node(index) {
    const node = this.#nodes[index]
    if (node === undefined) throw new Error(`there is no node ${index}`)
    return node
  }

  async close() {
    await Promise.all(this.#nodes.map(node => node.stop()))
  }
}

/** @param {Uint8Array} bytes */
function sha256(bytes) {
  return createHash('sha256').update(bytes).digest('hex')
}
