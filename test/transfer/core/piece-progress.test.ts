/** What is wanted of many pieces, as readers come, go on and leave. */
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { PieceMap } from '../../../src/content/piece-map.ts'
import { PieceProgress } from '../../../src/transfer/core/piece-progress.ts'
import { PieceSet } from '../../../src/transfer/core/piece-set.ts'
import { pieceMap } from './mini-sim.ts'

class CountingMap extends PieceMap {
  looks = 0

  override wireSize(piece: number): number {
    this.looks += 1
    return super.wireSize(piece)
  }
}

it('what changes is looked at, however many pieces there are', () => {
  const sizes = new Array<number>(100_000).fill(1)
  const pieces = new CountingMap(new Uint8Array(32 * sizes.length), sizes)
  const progress = new PieceProgress(pieces, new PieceSet(sizes.length))
  progress.want([{ first: 0, end: 17 }])
  pieces.looks = 0
  for (let first = 1; first <= 100; first++) {
    progress.want([{ first, end: first + 17 }])
    progress.takeEmpty()
  }
  expect([...progress.missing.ones()]).toEqual(Array.from({ length: 17 }, (_, at) => 100 + at))
  expect(pieces.looks).toBeLessThan(1000)
})

it('what is missing and may be picked is what is wanted and not there', () => {
  const range = fc.tuple(fc.nat(40), fc.nat(40)).map(([a, b]) => ({ first: Math.min(a, b), end: Math.max(a, b) }))
  const step = fc.oneof(
    fc.record({ type: fc.constant('want' as const), ranges: fc.option(fc.array(range), { nil: undefined }) }),
    fc.record({ type: fc.constantFrom('verified' as const, 'lost' as const), piece: fc.nat(39) })
  )
  fc.assert(
    fc.property(fc.array(step), steps => {
      const sizes = Array.from({ length: 40 }, (_, piece) => piece % 5)
      const progress = new PieceProgress(pieceMap(sizes), new PieceSet(40))
      const have = new Set<number>()
      let ranges: Array<{ first: number; end: number }> | undefined
      for (const next of steps) {
        if (next.type === 'want') {
          ranges = next.ranges
          progress.want(ranges)
        } else {
          if (next.type === 'verified') have.add(next.piece)
          else have.delete(next.piece)
          progress[next.type](next.piece)
        }
        const isWanted = (piece: number) => ranges?.some(({ first, end }) => piece >= first && piece < end) ?? true
        const missing = sizes.flatMap((_, piece) => (isWanted(piece) && !have.has(piece) ? piece : []))
        expect([...progress.missing.ones()]).toEqual(missing)
        expect([...progress.availability.pickable.ones()]).toEqual(missing.filter(piece => piece % 5 > 0))
      }
      const empty = [...progress.missing.ones()].filter(piece => piece % 5 === 0)
      expect(progress.takeEmpty()).toEqual(empty)
      expect(progress.takeEmpty()).toEqual([])
    })
  )
})
