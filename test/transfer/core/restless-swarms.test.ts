/** Honest peers whose users do what they like at any moment: nobody is taken for a liar, and all of them get everything. */
import { expect, it } from 'vitest'
import { seededRandom } from '../../../src/base/random.ts'
import { KIB, MIB, SECOND_MS } from '../../../src/base/units.ts'
import { MiniSim, type SimNode } from './mini-sim.ts'

const FAULTS = ['protocol', 'limit', 'badData']
/** The last ones: swarms that stood still once, as peers without what is missing had all the room. */
const SEEDS = [...Array.from({ length: 24 }, (_, at) => at + 1), 179, 188, 403, 464]

it.each(SEEDS)('end well, seed %i', seed => {
  const random = seededRandom(seed)
  const below = (count: number) => random.below(count)
  const anyOf = <T>(list: readonly T[]) => list[below(list.length)]
  const isFast = below(2) === 0
  const isSmall = below(2) === 0
  const sizes = Array.from({ length: 10 + below(isSmall ? 300 : 60) }, () =>
    isSmall ? 1 + below(12 * KIB) : 64 * KIB * (1 + below(10))
  )
  const sim = new MiniSim(sizes, seed, isSmall ? 4 * KIB : 64 * KIB)
  const maxSessions = anyOf([2, 3, 4, 40, 40, 40]) ?? 40
  const faults: string[] = []
  const nodes: SimNode[] = []
  for (let at = 0; at < 3 + below(6); at++) {
    const node = sim.add({
      id: `n${at}`,
      has: at < 2 ? 'all' : 'none',
      up: (isSmall ? 0.2 : 1) * MIB + below(10 * MIB),
      config: { maxSessions, places: below(4) > 0 }
    })
    node.onAction = action => {
      if (action.type === 'ban') faults.push(`${node.init.id} banned ${action.peerId}: ${action.reason}`)
      else if (action.type === 'disconnect' && FAULTS.includes(action.code)) faults.push(action.message)
    }
    nodes.push(node)
  }
  const peers = nodes.map(({ init }) => ({ id: init.id, addrs: [], seeder: false }))
  for (const node of nodes) node.post({ type: 'peersFound', peers })

  const paused = new Set<SimNode>()
  const deeds: ReadonlyArray<(node: SimNode) => void> = [
    node => node.reload(),
    () => nodes.filter(() => below(3) === 0).forEach(node => void node.reload()),
    node => {
      // the first keeps all of it
      const lost = sizes
        .map((_, piece) => piece)
        .filter(piece => node !== nodes[0] && node.have.has(piece) && below(6) === 0)
      for (const piece of lost) node.have.delete(piece)
      if (lost.length > 0) node.post({ type: 'piecesLost', pieces: lost })
    },
    node => {
      const ranges = Array.from({ length: below(3) }, () => ({
        offset: below(sim.pieces.byteLength),
        length: 1 + below(sim.pieces.byteLength)
      }))
      node.post({ type: 'prioritiesSet', ranges, onlyThese: below(2) === 0, waitedFor: below(2) })
    },
    node => {
      if (!paused.delete(node)) paused.add(node)
      node.post({ type: 'fetchPaused', paused: paused.has(node) })
    },
    node => {
      const session = anyOf([...node.links.keys()])
      if (session !== undefined) sim.close(node, session)
    },
    node => sim.dial(node, anyOf(nodes)?.init.id ?? ''),
    node => nodes.filter(() => below(2) === 0).forEach(other => void sim.dial(other, node.init.id))
  ]
  for (let left = isFast ? 50 + below(250) : 10 + below(60); left > 0; left--) {
    sim.runUntil(() => false, 1 + below(isFast ? 40 : 2 * SECOND_MS))
    const node = anyOf(nodes)
    if (node !== undefined) anyOf(deeds)?.(node)
  }

  for (const node of nodes) {
    node.post({ type: 'fetchPaused', paused: false })
    node.post({ type: 'prioritiesSet', ranges: [], onlyThese: false })
  }
  sim.runUntil(() => nodes.every(({ have }) => have.isFull), 600 * SECOND_MS)
  expect(nodes.filter(({ have }) => !have.isFull).map(({ init }) => init.id)).toEqual([])
  expect(faults).toEqual([])
})
