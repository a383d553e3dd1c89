/**
 * Whatever happens in a swarm for a minute (pauses, readers, lost pieces, sessions that end or are opened twice, another
 * storage, a fetch that is removed and begun again, one that lies or stalls), every fetch ends afterwards, as somebody who
 * is there has all; and nobody honest is banned, or left for breaking rules.
 */
import { expect, it } from 'vitest'
import { type Random, seededRandom } from '../../../src/base/random.ts'
import { KIB, MIB, MINUTE_MS, SECOND_MS } from '../../../src/base/units.ts'
import { MiniSim, type SimNode } from './mini-sim.ts'

const SEED = Number(process.env['SHOAL_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
console.log(`SHOAL_SEED=${SEED}`)

const RATES = [MIB, 200 * KIB, 50 * KIB, 20 * KIB]
const SIZES = [[MIB], [0, 1, 3000, 4096, 20_000, 100_000], [0, 5, 4096, 300 * KIB, 327_681, MIB, 2 * MIB, 200 * KIB]]

function pick<T>(random: Random, list: readonly T[]): T {
  const chosen = list[random.below(list.length)]
  if (chosen === undefined) throw new Error('nothing to choose from')
  return chosen
}

/** Something happens to the node. @param paused those that are */
function disturb(sim: MiniSim, node: SimNode, random: Random, paused: Set<SimNode>): void {
  const { byteLength, count } = sim.pieces
  switch (random.below(8)) {
    case 0:
      if (!paused.delete(node)) paused.add(node)
      node.post({ type: 'fetchPaused', paused: paused.has(node) })
      return
    case 1: {
      const range = () => ({ offset: random.below(Math.max(1, byteLength)), length: random.below(3 * MIB) })
      const ranges = Array.from({ length: random.below(3) }, range)
      node.post({ type: 'prioritiesSet', ranges, onlyThese: random.below(2) === 0 })
      return
    }
    case 2: {
      const lost = Array.from({ length: 4 }, () => random.below(count)).filter(piece => node.have.has(piece))
      for (const piece of lost) node.have.delete(piece)
      node.post({ type: 'piecesLost', pieces: [...new Set(lost)] })
      return
    }
    case 3: {
      const [session] = node.links.keys()
      if (session !== undefined && random.below(3) === 0) sim.close(node, session)
      return
    }
    case 4:
      if (random.below(4) === 0) node.reload()
      return
    case 5:
      sim.dial(node, pick(random, [...sim.nodes.keys()]))
  }
}

/** The fetch is removed, and begun again after a while. */
function restart(sim: MiniSim, leechers: SimNode[], random: Random, unjust: string[]): void {
  const at = random.below(leechers.length)
  const node = leechers[at]
  if (node?.alive !== true) return
  sim.kill(node)
  sim.after(random.below(8 * SECOND_MS), () => {
    const fresh = sim.add(node.init)
    judge(fresh, unjust)
    leechers[at] = fresh
    fresh.post({ type: 'peersFound', peers: peersOf(sim) })
  })
}

const peersOf = (sim: MiniSim) => [...sim.nodes.keys()].map(id => ({ id, addrs: [], seeder: false }))

/** Gathers what a node does against one that is honest. */
function judge(node: SimNode, unjust: string[]): void {
  const isHonest = (id: string | undefined) => id !== 'liar' && id !== 'staller'
  node.onAction = action => {
    if (action.type === 'ban' && isHonest(action.peerId)) unjust.push(`ban: ${action.reason}`)
    if (action.type !== 'disconnect' || !['limit', 'protocol'].includes(action.code)) return
    if (isHonest(node.links.get(action.session)?.to.init.id)) unjust.push(`${action.code}: ${action.message}`)
  }
}

function swarmOf(seed: number, random: Random): { sim: MiniSim; leechers: SimNode[] } {
  const kind = pick(random, SIZES)
  const sizes = Array.from({ length: 1 + random.below(kind === SIZES[1] ? 200 : 20) }, () => pick(random, kind))
  const sim = new MiniSim(sizes, seed, 8 * KIB)
  const places = () => ({ places: random.below(5) > 0 })
  for (let at = 0; at <= random.below(3); at++) {
    sim.add({ id: `s${at}`, has: 'all', up: pick(random, RATES), config: places() })
  }
  const leechers = Array.from({ length: 1 + random.below(5) }, (_, at) =>
    sim.add({ id: `l${at}`, has: 'none', up: pick(random, RATES), config: places() })
  )
  if (random.below(3) === 0) sim.add({ id: 'staller', has: 'all', up: MIB, staller: true })
  if (random.below(3) === 0) sim.add({ id: 'liar', has: 'all', up: pick(random, RATES), liar: true })
  for (const node of leechers) node.post({ type: 'peersFound', peers: peersOf(sim) })
  return { sim, leechers }
}

it('every fetch ends', { timeout: 120_000 }, () => {
  for (let seed = SEED; seed < SEED + 60; seed++) {
    const random = seededRandom(seed)
    const { sim, leechers } = swarmOf(seed, random)
    const paused = new Set<SimNode>()
    const unjust: string[] = []
    for (const node of sim.nodes.values()) judge(node, unjust)
    const until = sim.now + MINUTE_MS
    const chaos = () => {
      if (sim.now >= until) return
      if (random.below(16) === 0) restart(sim, leechers, random, unjust)
      else disturb(sim, pick(random, leechers), random, paused)
      sim.after(50 + random.below(1500), chaos)
    }
    sim.after(SECOND_MS / 2, chaos)
    // and until who was removed last is back
    sim.runUntil(() => false, MINUTE_MS + 10 * SECOND_MS)
    for (const node of leechers) {
      node.post({ type: 'fetchPaused', paused: false })
      node.post({ type: 'prioritiesSet', ranges: [], onlyThese: false })
    }
    // all that is to be sent over the slowest uplink, several times
    const enoughMs = 2 * MINUTE_MS + (8 * SECOND_MS * sim.pieces.byteLength * leechers.length) / (20 * KIB)
    const isDone = () => leechers.every(({ have }) => have.isFull)
    expect(sim.runUntil(isDone, enoughMs), `SHOAL_SEED=${seed}`).toBe(true)
    expect(unjust, `SHOAL_SEED=${seed}`).toEqual([])
  }
})
