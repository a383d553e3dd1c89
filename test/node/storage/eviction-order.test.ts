import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { abundance, type Candidate, chooseEvictions, evictionOrder } from '../../../src/node/storage/eviction-order.ts'

const root = (cid: string, change: Partial<Candidate> = {}): Candidate => ({
  ...{ cid, bytes: 10, holders: 2, usedAt: 100 },
  ...change
})
const names = (candidates: readonly Candidate[] | undefined) => candidates?.map(({ cid }) => cid).join('')

/** Few distinct values, so that ties are common. */
const candidates = fc.uniqueArray(
  fc.record({
    cid: fc.string({ minLength: 1, maxLength: 3 }),
    bytes: fc.nat(50),
    holders: fc.nat(20),
    usedAt: fc.nat(3)
  }),
  { selector: ({ cid }) => cid, maxLength: 12 }
)
const sum = (list: readonly Candidate[]) => list.reduce((total, { bytes }) => total + bytes, 0)

describe('the order', () => {
  it('what many hold goes before what few hold, and among those what was used least recently', () => {
    const all = [
      root('d', { holders: 1, usedAt: 1 }),
      root('c', { holders: 3, usedAt: 2 }),
      root('b', { holders: 8, usedAt: 9 }),
      root('a', { holders: 9, usedAt: 5 })
    ]
    expect(names(evictionOrder(all))).toBe('abcd')
  })

  it('seven holders are as good as four, eight as a hundred', () => {
    expect([0, 1, 2, 3, 4, 7, 8, 100, 1e9].map(abundance)).toEqual([0, 1, 2, 2, 3, 3, 4, 4, 4])
  })

  it('what nobody else is known to have is not in it, nor what frees nothing', () => {
    expect(evictionOrder([root('a', { holders: 0 }), root('b', { bytes: 0 })])).toEqual([])
  })

  it('does not depend on the order in which roots are given', () => {
    fc.assert(
      fc.property(candidates, fc.nat(), (all, turn) => {
        const turned = [...all.slice(turn % (all.length + 1)), ...all.slice(0, turn % (all.length + 1))]
        expect(evictionOrder(turned)).toEqual(evictionOrder(all))
      })
    )
  })
})

describe('the choice', () => {
  it('takes the first, and spares what need not go', () => {
    const small = root('a', { holders: 8, bytes: 5 })
    expect(names(chooseEvictions([root('b', { bytes: 50 }), small], 5))).toBe('a')
    // a goes first and is too small; b alone is enough
    expect(names(chooseEvictions([root('b', { bytes: 50 }), small], 20))).toBe('b')
    expect(chooseEvictions([root('b', { bytes: 50 }), small], 56)).toBeUndefined()
  })

  it('is enough, has nothing to spare, and names no last copy; where there is none, all together are too little', () => {
    fc.assert(
      fc.property(candidates, fc.integer({ min: 1, max: 200 }), (all, needed) => {
        const chosen = chooseEvictions(all, needed)
        const mayGo = all.filter(({ holders }) => holders > 0)
        if (chosen === undefined) {
          expect(sum(mayGo)).toBeLessThan(needed)
          return
        }
        expect(sum(chosen)).toBeGreaterThanOrEqual(needed)
        for (const one of chosen) {
          expect(mayGo).toContain(one)
          expect(sum(chosen) - one.bytes).toBeLessThan(needed)
        }
        expect(new Set(chosen).size).toBe(chosen.length)
      })
    )
  })

  it('never takes what is rarer while what is more abundant would do', () => {
    fc.assert(
      fc.property(candidates, fc.integer({ min: 1, max: 200 }), (all, needed) => {
        const chosen = chooseEvictions(all, needed) ?? []
        const rarest = Math.min(...chosen.map(({ holders }) => abundance(holders)))
        const more = all.filter(({ holders }) => abundance(holders) > rarest)
        if (chosen.length > 0) expect(sum(more)).toBeLessThan(needed)
      })
    )
  })
})
