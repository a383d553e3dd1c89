import { describe, expect, it } from 'vitest'
import { KIB, MIB, SECOND_MS } from '../../../src/base/units.ts'
import { MiniSim, type SimNode } from './mini-sim.ts'

const SEED = Number(process.env['SHOAL_SEED'] ?? Math.floor(Math.random() * 2 ** 32))
console.log(`SHOAL_SEED=${SEED}`)

const UP = 10 * MIB

function full(nodes: readonly SimNode[]): boolean {
  return nodes.every(node => node.completedAt !== undefined)
}

function swarmOf(sizes: readonly number[], leechers: number, seedUp = UP) {
  const sim = new MiniSim(sizes, SEED)
  const seeder = sim.add({ id: 'seeder', has: 'all', up: seedUp })
  const others = Array.from({ length: leechers }, (_, i) => sim.add({ id: `leecher${i}`, has: 'none', up: UP }))
  const peers = [{ id: 'seeder', addrs: [], seeder: true }]
  for (const node of others) node.post({ type: 'peersFound', peers })
  return { sim, seeder, leechers: others }
}

/** Blocks that were asked for more than once. */
function repeated(node: SimNode): number {
  return [...node.requested.values()].filter(times => times > 1).length
}

describe('a simulated swarm', () => {
  it('carries a root from one to one', () => {
    const sizes = Array<number>(40).fill(MIB)
    const { sim, seeder, leechers } = swarmOf(sizes, 1)
    const start = sim.now
    expect(sim.runUntil(() => full(leechers), 60 * SECOND_MS)).toBe(true)
    expect(leechers[0]?.have.isFull).toBe(true)
    expect(seeder.sentBytes).toBe(40 * MIB)
    expect(sim.now - start).toBeLessThan(4000 * 1.2)
  })

  it('carries a root to six, none of them asking twice before the endgame', () => {
    const sizes = Array<number>(100).fill(MIB)
    const { sim, seeder, leechers } = swarmOf(sizes, 6)
    const start = sim.now
    expect(sim.runUntil(() => full(leechers), 300 * SECOND_MS)).toBe(true)
    const seconds = (sim.now - start) / 1000
    console.log(
      `6 leechers: ${seconds.toFixed(1)} s, seeder sent ${(seeder.sentBytes / (100 * MIB)).toFixed(2)} copies`
    )
    // the uplinks together carry 70 MiB a second, the seeder alone would need 60 s
    expect(seconds).toBeLessThan(30)
    for (const leecher of leechers) {
      expect(leecher.have.isFull).toBe(true)
      expect(repeated(leecher)).toBeLessThan(20)
      expect(leecher.receivedBytes).toBeLessThan(100 * MIB * 1.05)
    }
  })

  it('completes when the seeder leaves as soon as every piece is out', () => {
    const sizes = Array<number>(60).fill(MIB)
    const { sim, seeder, leechers } = swarmOf(sizes, 6)
    const out = () => sizes.every((_, piece) => leechers.some(leecher => leecher.have.has(piece)))
    expect(sim.runUntil(out, 300 * SECOND_MS)).toBe(true)
    sim.kill(seeder)
    expect(sim.runUntil(() => full(leechers), 300 * SECOND_MS)).toBe(true)
  })

  it('spreads: the seeder sends little more than one copy until all pieces are out', () => {
    const sizes = Array<number>(100).fill(MIB)
    const { sim, seeder, leechers } = swarmOf(sizes, 6)
    const out = () => sizes.every((_, piece) => leechers.some(leecher => leecher.have.has(piece)))
    expect(sim.runUntil(out, 300 * SECOND_MS)).toBe(true)
    console.log(`all pieces out after ${(seeder.sentBytes / (100 * MIB)).toFixed(2)} copies`)
    expect(seeder.sentBytes).toBeLessThan(100 * MIB * 1.5)
  })

  it('needs few requests for thousands of small pieces', () => {
    const { sim, leechers } = swarmOf(Array<number>(10_000).fill(4 * KIB), 1)
    expect(sim.runUntil(() => full(leechers), 120 * SECOND_MS)).toBe(true)
    console.log(`10,000 pieces of 4 KiB: ${leechers[0]?.requests} requests`)
    expect(leechers[0]?.requests).toBeLessThan(250)
  })

  it('carries pieces of mixed sizes, empty ones too', () => {
    const sizes = Array.from({ length: 500 }, (_, i) => [0, 1, 5000, 300 * KIB, 327_681, MIB, 2 * MIB][i % 7] ?? 1)
    for (let i = 7; i < sizes.length; i += 7) sizes[i] = 77
    const { sim, leechers } = swarmOf(sizes, 3)
    expect(sim.runUntil(() => full(leechers), 300 * SECOND_MS)).toBe(true)
    expect(leechers.every(leecher => leecher.have.isFull)).toBe(true)
  })

  it('bans a liar and completes without it', () => {
    const { sim, leechers } = swarmOf(Array<number>(60).fill(MIB), 3)
    sim.add({ id: 'liar', has: 'all', up: UP, liar: true })
    for (const node of leechers) node.post({ type: 'peersFound', peers: [{ id: 'liar', addrs: [], seeder: true }] })
    expect(sim.runUntil(() => full(leechers), 300 * SECOND_MS)).toBe(true)
    for (const leecher of leechers) {
      expect(leecher.have.isFull).toBe(true)
      expect([...leecher.banned]).toEqual(['liar'])
    }
  })

  it('does not wait for one that accepts and never gives', () => {
    const { sim, leechers } = swarmOf(Array<number>(30).fill(MIB), 2)
    sim.add({ id: 'staller', has: 'all', up: UP, staller: true })
    for (const node of leechers) node.post({ type: 'peersFound', peers: [{ id: 'staller', addrs: [], seeder: true }] })
    expect(sim.runUntil(() => full(leechers), 60 * SECOND_MS)).toBe(true)
  })

  it('snubs one that gives nothing, and goes on with others', () => {
    const sim = new MiniSim(Array<number>(400).fill(MIB), SEED)
    sim.add({ id: 'seeder', has: 'all', up: 5 * MIB })
    sim.add({ id: 'staller', has: 'all', up: UP, staller: true })
    const leecher = sim.add({ id: 'leecher', has: 'none', up: UP })
    const peers = ['seeder', 'staller'].map(id => ({ id, addrs: [], seeder: true }))
    leecher.post({ type: 'peersFound', peers })
    // when depends on the seed: what it leaves lying may be given up for the seeder's offers before
    const snubbed = () => leecher.swarm.snapshot(sim.now).sessions.filter(session => session.snubbed)
    expect(sim.runUntil(() => snubbed().length > 0, 60 * SECOND_MS)).toBe(true)
    expect(snubbed().map(session => session.peerId)).toEqual(['staller'])
    expect(sim.runUntil(() => full([leecher]), 300 * SECOND_MS)).toBe(true)
  })

  it('lets two seeders part', () => {
    const { sim, seeder, leechers } = swarmOf([MIB], 1)
    expect(sim.runUntil(() => full(leechers), 60 * SECOND_MS)).toBe(true)
    // the other side hears of it a moment later
    const parted = () => seeder.links.size === 0 && leechers[0]?.links.size === 0
    expect(sim.runUntil(parted, 120 * SECOND_MS)).toBe(true)
  })

  it('keeps one session where both sides dial at once', () => {
    const sim = new MiniSim(Array<number>(50).fill(MIB), SEED)
    const a = sim.add({ id: 'a', has: 'none', up: UP })
    const b = sim.add({ id: 'b', has: 'none', up: UP })
    a.post({ type: 'peersFound', peers: [{ id: 'b', addrs: [], seeder: false }] })
    b.post({ type: 'peersFound', peers: [{ id: 'a', addrs: [], seeder: false }] })
    sim.runUntil(() => false, 5 * SECOND_MS)
    expect(a.links.size).toBe(1)
    expect(b.links.size).toBe(1)
    expect(a.swarm.snapshot(sim.now).sessions[0]?.outbound).toBe(true)
  })
})
