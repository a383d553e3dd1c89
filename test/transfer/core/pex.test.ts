import { describe, expect, it } from 'vitest'
import { SECOND_MS } from '../../../src/base/units.ts'
import { Pex } from '../../../src/transfer/core/pex.ts'
import { MAX_PEX_PEERS } from '../../../src/transfer/protocol/limits.ts'
import type { PexPeer } from '../../../src/transfer/protocol/messages.ts'

const peers = (...ids: string[]): PexPeer[] => ids.map(id => ({ id, addrs: [], seeder: false }))
const many = (count: number) => peers(...Array.from({ length: count }, (_, i) => `p${i}`))

describe('peer exchange', () => {
  it('tells all at first, then what changed, and not too often', () => {
    const pex = new Pex()
    pex.joined(1)
    expect(pex.due(1, peers('a', 'b'), 0)).toEqual({ type: 'pex', added: peers('a', 'b'), dropped: [] })
    expect(pex.due(1, peers('a', 'c'), 4 * SECOND_MS)).toBeUndefined()
    expect(pex.due(1, peers('a', 'c'), 5 * SECOND_MS)).toEqual({ type: 'pex', added: peers('c'), dropped: ['b'] })
    expect(pex.due(1, peers('a', 'c'), 20 * SECOND_MS)).toBeUndefined()
    expect(pex.due(1, peers('a', 'c'), 66 * SECOND_MS)).toEqual({ type: 'pex', added: [], dropped: [] })
  })

  it('is slow between peers that know many', () => {
    const pex = new Pex()
    pex.joined(1)
    pex.received(1, { type: 'pex', added: many(20), dropped: [] })
    pex.due(1, many(20), 0)
    expect(pex.due(1, many(21), 30 * SECOND_MS)).toBeUndefined()
    expect(pex.due(1, many(21), 60 * SECOND_MS)).toMatchObject({ added: [{ id: 'p20' }] })
  })

  it('never tells of more than fifty, and of others once there is room', () => {
    const pex = new Pex()
    pex.joined(1)
    expect(pex.due(1, many(80), 0)).toMatchObject({ added: { length: MAX_PEX_PEERS } })
    expect(pex.due(1, many(80), 5 * SECOND_MS)).toBeUndefined()
    const next = pex.due(1, many(80).slice(10), 60 * SECOND_MS)
    expect(next).toMatchObject({ added: { length: 10 }, dropped: { length: 10 } })
  })

  it('tells when a leecher became a seeder', () => {
    const pex = new Pex()
    pex.joined(1)
    pex.due(1, peers('a'), 0)
    const seeder = [{ id: 'a', addrs: [], seeder: true }]
    expect(pex.due(1, seeder, 60 * SECOND_MS)).toMatchObject({ added: seeder })
  })

  it('believes a session in a bounded number of peers', () => {
    const pex = new Pex()
    pex.joined(1)
    let believed = 0
    for (let i = 0; i < 100; i++) {
      const added = peers(...Array.from({ length: 50 }, (_, n) => `x${i}y${n}`))
      believed += pex.received(1, { type: 'pex', added, dropped: [] }).length
    }
    expect(believed).toBe(200)
    expect(pex.received(2, { type: 'pex', added: peers('a'), dropped: [] })).toEqual([])
  })
})
