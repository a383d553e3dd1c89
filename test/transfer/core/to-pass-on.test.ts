import { expect, test } from 'vitest'
import { seededRandom } from '../../../src/base/random.ts'
import { Availability } from '../../../src/transfer/core/availability.ts'
import { PieceSet } from '../../../src/transfer/core/piece-set.ts'
import { stretchOf, toPassOn } from '../../../src/transfer/core/to-pass-on.ts'

const PIECES = 4
const lanes = [{ isSeeder: false }, { isSeeder: false }, { isSeeder: false }, { isSeeder: true }]

function setOf(...pieces: number[]): PieceSet {
  const set = new PieceSet(PIECES)
  for (const piece of pieces) set.add(piece)
  return set
}

function rarityOf(...holders: number[]): Availability {
  const rarity = new Availability(PIECES)
  for (const [piece, count] of holders.entries()) for (let at = 0; at < count; at++) rarity.increment(piece)
  return rarity
}

test('what all leechers have or get is nothing to pass on', () => {
  expect(toPassOn({ have: setOf(0), off: setOf(1), rarity: rarityOf(3, 3), lanes }, 0)).toBe(0)
})

test('the copies that others lack are shared among the holders', () => {
  const rarity = rarityOf(1, 2)
  expect(toPassOn({ have: setOf(0), off: undefined, rarity, lanes }, 0)).toBe(2)
  expect(toPassOn({ have: setOf(1), off: undefined, rarity, lanes }, 0)).toBe(0.5)
})

test('what comes to it counts as what it has, wherever the count begins', () => {
  for (const from of [0, 1, 2, 3]) {
    expect(toPassOn({ have: setOf(1), off: setOf(0), rarity: rarityOf(1, 2), lanes }, from)).toBe(2.5)
  }
})

test('of many pieces a stretch stands for all, and it begins anywhere', () => {
  const many = 3000
  const have = new PieceSet(many)
  have.addRange(0, many)
  const rarity = new Availability(many)
  for (let piece = 0; piece < many; piece++) rarity.increment(piece)
  expect(toPassOn({ have, off: undefined, rarity, lanes }, 2500)).toBe(2 * 1024)
  const random = seededRandom(1)
  expect(new Set([1, 2, 3].map(() => stretchOf(many, random))).size).toBeGreaterThan(1)
  expect(stretchOf(1024, random)).toBe(0)
})
