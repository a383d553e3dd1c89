import fc from 'fast-check'
import { expect, it } from 'vitest'
import { crowded, footprintOf, liesIn, overlaps } from '../../../src/node/storage/footprint.ts'

const held = { source: 'get', state: 'partial', totalBytes: 10_000_000, heldBytes: 1000, unrecordedCount: 0 } as const

it("counts what a fetch wrote, and nothing of the user's own", () => {
  expect(footprintOf({ ...held, source: 'share', state: 'complete' })).toBe(0)
  expect(footprintOf({ ...held, state: 'complete' })).toBe(10_000_000)
  expect(footprintOf(held)).toBe(1000)
  expect(footprintOf({ ...held, state: 'damaged', heldBytes: 5 })).toBe(5)
})

it('takes what may be on the disk for there, up to all of it', () => {
  expect(footprintOf({ ...held, unrecordedCount: 2 })).toBe(1000 + 4 * 1024 * 1024)
  expect(footprintOf({ ...held, unrecordedCount: 9 })).toBe(10_000_000)
})

it('tells paths that lie in each other from those that only begin alike', () => {
  expect(overlaps('/a/b', '/a/b')).toBe(true)
  expect(overlaps('/a/b', '/a/b/c')).toBe(true)
  expect(overlaps('/a/b/c', '/a/b')).toBe(true)
  expect(overlaps('/a/b', '/a/bc')).toBe(false)
  expect(overlaps('/a/b', '/a/c')).toBe(false)
})

it('tells what lies in a folder from what holds it', () => {
  expect(liesIn('/a/b/c', '/a/b')).toBe(true)
  for (const path of ['/a', '/a/b', '/a/bc', '/']) expect(liesIn(path, '/a/b')).toBe(false)
})

it('finds the paths that overlap another as one by one would', () => {
  const part = fc.constantFrom('a', 'b', 'ab')
  const path = fc.array(part, { minLength: 1, maxLength: 4 }).map(parts => `/${parts.join('/')}`)
  fc.assert(
    fc.property(fc.array(path, { maxLength: 8 }), paths => {
      const naive = paths.filter((a, i) => paths.some((b, k) => i !== k && overlaps(a, b)))
      expect(crowded(paths)).toEqual(new Set(naive))
    })
  )
})
