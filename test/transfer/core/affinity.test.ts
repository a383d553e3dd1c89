import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { affinity } from '../../../src/transfer/core/affinity.ts'

const id = fc.string({ maxLength: 60 })

describe('affinity', () => {
  it('is the same on both sides, a whole number of 32 bits', () => {
    fc.assert(
      fc.property(id, id, (one, other) => {
        const value = affinity(one, other)
        expect(affinity(other, one)).toBe(value)
        expect(Number.isInteger(value) && value >= 0 && value < 2 ** 32).toBe(true)
      })
    )
  })

  it('does not change from one version to the next: both sides must agree', () => {
    expect(affinity('12D3KooWA', '12D3KooWB')).toBe(2_623_465_654)
  })

  it('prefers nobody in general: each peer is among the first of about as many others', () => {
    const peers = Array.from({ length: 100 }, (_, i) => `12D3KooW${i}`)
    const chosen = new Map<string, number>(peers.map(peer => [peer, 0]))
    for (const self of peers) {
      const others = peers.filter(peer => peer !== self).sort((a, b) => affinity(self, b) - affinity(self, a))
      for (const other of others.slice(0, 10)) chosen.set(other, (chosen.get(other) ?? 0) + 1)
    }
    // 10 on average, about Poisson
    expect(Math.max(...chosen.values())).toBeLessThan(25)
    expect(Math.min(...chosen.values())).toBeGreaterThan(0)
  })
})
