import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../../src/base/random.ts'
import { Availability } from '../../../src/transfer/core/availability.ts'
import { PieceSet } from '../../../src/transfer/core/piece-set.ts'

const COUNT = 70

function setOf(indexes: Iterable<number>): PieceSet {
  const set = new PieceSet(COUNT)
  for (const index of indexes) set.add(index)
  return set
}

const pieces = fc.array(fc.nat(COUNT - 1), { maxLength: 2 * COUNT, size: 'max' })
const lacking = fc.record({ have: pieces, off: pieces, within: fc.option(pieces, { nil: undefined }) })

describe('the rarest that somebody lacks', () => {
  it('is of the fewest holders, below the limit, and goes to the first who lacks it', () => {
    let found = 0
    fc.assert(
      fc.property(
        fc.integer(),
        pieces,
        pieces,
        fc.array(lacking, { maxLength: 4 }),
        fc.oneof(fc.nat(4), fc.constant(Number.POSITIVE_INFINITY)),
        (seed, pickable, held, takers, below) => {
          const availability = new Availability(COUNT)
          for (const piece of pickable) availability.setPickable(piece, true)
          // holders before and after: both ways into a level
          for (const piece of held) availability.increment(piece)
          const lackers = takers.map(({ have, off, within }) => ({
            have: setOf(have),
            off: setOf(off),
            within: within === undefined ? undefined : setOf(within)
          }))
          const lacks = ({ have, off, within }: (typeof lackers)[number], piece: number) =>
            !have.has(piece) && !off.has(piece) && within?.has(piece) !== false
          const open = [...new Set(pickable)].filter(piece => lackers.some(taker => lacks(taker, piece)))
          const least = Math.min(...open.map(piece => held.filter(other => other === piece).length))
          const chosen = availability.rarestLacked(lackers, seededRandom(seed), below)
          if (least >= below) {
            expect(chosen).toBeUndefined()
            return
          }
          if (chosen === undefined) throw new Error('nothing was found')
          found += 1
          expect(availability.count(chosen.piece)).toBe(least)
          const rarest = open.filter(piece => availability.count(piece) === least)
          expect(rarest).toContain(chosen.piece)
          const first = lackers.find(taker => rarest.some(piece => lacks(taker, piece)))
          expect(lackers.indexOf(chosen.taker)).toBe(first === undefined ? -1 : lackers.indexOf(first))
          expect(lacks(chosen.taker, chosen.piece)).toBe(true)
        }
      ),
      { numRuns: 1000 }
    )
    expect(found).toBeGreaterThan(200)
  })

  it('is any of the rarest', () => {
    const availability = new Availability(COUNT)
    for (const piece of [3, 40, 69]) availability.setPickable(piece, true)
    const taker = { have: setOf([]), off: setOf([]), within: undefined }
    const seen = new Set<number | undefined>()
    for (let seed = 0; seed < 100; seed++) seen.add(availability.rarestLacked([taker], seededRandom(seed))?.piece)
    expect([...seen].sort()).toEqual([3, 40, 69])
  })
})
