import { expect, test } from 'vitest'
import type { Manifest } from '../../../src/content/manifest.ts'
import { DIGEST_BYTES, PieceMap } from '../../../src/content/piece-map.ts'
import { PieceBits } from '../../../src/content/store/piece-bits.ts'

/** Three pieces of ten bytes, each in one place. */
function bits(): PieceBits {
  const pieces = new PieceMap(new Uint8Array(3 * DIGEST_BYTES), [10, 10, 10])
  const spansOf = (piece: number) => [{ entry: 0, fileOffset: piece * 10, length: 10 }]
  return new PieceBits(1, { pieces, inline: [], spansOf } as unknown as Manifest)
}

test('what is doubted between its sync and its record is not recorded', () => {
  const some = bits()
  expect(some.write(0)).toBe(true)
  expect(some.write(1)).toBe(true)
  some.doubt(0)
  for (const piece of [0, 1]) some.record(piece)
  expect([...some.unrecorded.ones()]).toEqual([0])
  expect(some.isFresh(1)).toBe(false)
  expect(some.heldBytes).toBe(10)
  // written again it is fresh, as nothing says that it was ever recorded
  expect(some.write(0)).toBe(true)
  expect(some.isFresh(0)).toBe(true)
  expect(some.heldBytes).toBe(20)
})

test('neither is what was withdrawn', () => {
  const some = bits()
  some.write(2)
  some.withdraw(2)
  some.record(2)
  expect(some.allRecorded).toBe(false)
  expect(some.write(2)).toBe(true)
})
