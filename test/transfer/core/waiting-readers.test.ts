/** What a reader waits for comes before what it, and others, read soon. */
import { describe, expect, it } from 'vitest'
import { MIB } from '../../../src/base/units.ts'
import type { Priorities } from '../../../src/transfer/core/swarm-io.ts'
import { MiniSim, type SimNode } from './mini-sim.ts'

const SECOND = 1000
const AHEAD = 16

/** A leecher of 200 pieces of 1 MiB, and seeders that send one of them a second. */
function swarm(seeders: number): { sim: MiniSim; leecher: SimNode } {
  const sim = new MiniSim(new Array<number>(200).fill(MIB), 5)
  for (let at = 0; at < seeders; at++) sim.add({ id: `s${at}`, has: 'all', up: MIB })
  const leecher = sim.add({ id: 'leecher', has: 'none', up: MIB })
  const peers = [...sim.nodes.keys()].map(id => ({ id, addrs: [], seeder: false }))
  leecher.post({ type: 'peersFound', peers })
  return { sim, leecher }
}

/** What readers at these pieces want, who asked first before the others. */
function wantedAt(pieces: readonly number[]): Priorities {
  const waitedFor = pieces.map(piece => ({ offset: piece * MIB, length: MIB }))
  const soon = pieces.map(piece => ({ offset: (piece + 1) * MIB, length: (AHEAD - 1) * MIB }))
  return { ranges: [...waitedFor, ...soon], waitedFor: pieces.length, onlyThese: true }
}

describe('what a reader waits for', () => {
  it.each([1, 3])('comes before what it reads soon, from %i seeders', seeders => {
    const { sim, leecher } = swarm(seeders)
    leecher.post({ type: 'prioritiesSet', ...wantedAt([0]) })
    expect(sim.runUntil(() => leecher.have.has(0), 3 * SECOND)).toBe(true)
    // so it is where the reader goes on elsewhere
    leecher.post({ type: 'prioritiesSet', ...wantedAt([150]) })
    expect(sim.runUntil(() => leecher.have.has(150), 3 * SECOND)).toBe(true)
  })

  it('comes before what is read soon by others that have enough and say nothing', () => {
    const { sim, leecher } = swarm(1)
    const readers = Array.from({ length: 9 }, (_, at) => at * 20)
    leecher.post({ type: 'prioritiesSet', ...wantedAt(readers) })
    expect(sim.runUntil(() => readers.every(piece => leecher.have.has(piece)), 15 * SECOND)).toBe(true)
    leecher.post({ type: 'prioritiesSet', ...wantedAt([...readers, 199]) })
    expect(sim.runUntil(() => leecher.have.has(199), 5 * SECOND)).toBe(true)
  })

  it('at the end of the content comes too, and the rest of what was wanted', () => {
    const { sim, leecher } = swarm(1)
    leecher.post({ type: 'prioritiesSet', ...wantedAt([190, 40]) })
    expect(sim.runUntil(() => leecher.have.has(190) && leecher.have.has(40), 6 * SECOND)).toBe(true)
    const all = [
      ...Array.from({ length: 10 }, (_, at) => 190 + at),
      ...Array.from({ length: AHEAD }, (_, at) => 40 + at)
    ]
    expect(sim.runUntil(() => all.every(piece => leecher.have.has(piece)), 30 * SECOND)).toBe(true)
  })
})
