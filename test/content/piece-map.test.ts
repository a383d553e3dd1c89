import fc from 'fast-check'
import { expect, test } from 'vitest'
import { PieceMap } from '../../src/content/piece-map.ts'

function mapOf(sizes: number[], dagPb: Array<[number, number]> = []): PieceMap {
  const digests = new Uint8Array(sizes.length * 32)
  for (const i of sizes.keys()) digests.fill(i, i * 32, (i + 1) * 32)
  return new PieceMap(digests, sizes, new Map(dagPb))
}

test('pieces lie one behind the other in the piece space', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(20), { maxLength: 30 }), sizes => {
      const map = mapOf(sizes)
      const owner = sizes.flatMap((size, i) => Array<number>(size).fill(i))
      expect(map.byteLength).toBe(owner.length)
      for (const [offset, piece] of owner.entries()) expect(map.pieceAt(offset)).toBe(piece)
      for (const offset of [-1, owner.length, owner.length + 5, Number.NaN]) expect(map.pieceAt(offset)).toBeUndefined()
      for (const [i, size] of sizes.entries()) expect(map.wireSize(i)).toBe(size)
    })
  )
})

test('a dag-pb leaf has a data size of its own', () => {
  const map = mapOf([10, 20], [[1, 8]])
  expect([map.dataSize(0), map.dataSize(1)]).toEqual([10, 8])
  expect([map.isDagPb(0), map.isDagPb(1)]).toEqual([false, true])
  expect([...map.digest(1)]).toEqual(Array(32).fill(1))
})

test('numbers from outside are checked', () => {
  const map = mapOf([1, 2])
  expect([0, 1].map(n => map.index(n))).toEqual([0, 1])
  for (const n of [-1, 2, 0.5, Number.NaN, Number.POSITIVE_INFINITY]) expect(map.index(n)).toBeUndefined()
  expect(() => new PieceMap(new Uint8Array(31), [1])).toThrow(RangeError)
})
