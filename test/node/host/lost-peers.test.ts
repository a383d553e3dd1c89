import { expect, test } from 'vitest'
import { MINUTE_MS, SECOND_MS } from '../../../src/base/units.ts'
import { FIRST_WAIT_MS, GAP_MS, LONGEST_WAIT_MS, LostPeers, MAX_LOST } from '../../../src/node/host/lost-peers.ts'

/** Who is dialled when, in seconds, until `untilMs`. */
function dials(lost: LostPeers, untilMs: number): Array<[number, string]> {
  const all: Array<[number, string]> = []
  for (let now = 0; now <= untilMs; now += SECOND_MS) {
    const id = lost.take(now)
    if (id !== undefined) all.push([now / SECOND_MS, id])
  }
  return all
}

test('a lost peer is tried after half a minute, then after twice as long each time, up to half an hour', () => {
  const lost = new LostPeers()
  lost.lost('a', 0)
  const at = dials(lost, 5 * 60 * MINUTE_MS).map(([second]) => second)
  const gaps = at.map((second, i) => (second - (at[i - 1] ?? 0)) * SECOND_MS)
  const longest = LONGEST_WAIT_MS
  expect(gaps).toEqual([
    FIRST_WAIT_MS,
    ...[60, 120, 240, 480, 960].map(s => s * SECOND_MS),
    ...Array.from({ length: gaps.length - 6 }, () => longest)
  ])
  expect(gaps.length).toBeGreaterThan(12)
})

test('however many are lost, four a minute are dialled, and each gets its turn', () => {
  const lost = new LostPeers()
  for (let i = 0; i < MAX_LOST; i++) lost.lost(`p${i}`, 0)
  const hour = dials(lost, 60 * MINUTE_MS)
  expect(hour.length).toBeLessThanOrEqual((60 * MINUTE_MS) / GAP_MS)
  expect(new Set(hour.map(([, id]) => id)).size).toBe(MAX_LOST)
})

test('who is back is dialled no more, and starts over when it is lost again', () => {
  const lost = new LostPeers()
  lost.lost('a', 0)
  expect(dials(lost, 10 * MINUTE_MS)).toHaveLength(4)
  lost.forget('a')
  expect(lost.waitMs(0)).toBeUndefined()
  expect(lost.take(60 * MINUTE_MS)).toBeUndefined()
  lost.lost('a', 60 * MINUTE_MS)
  expect(lost.waitMs(60 * MINUTE_MS)).toBe(FIRST_WAIT_MS)
})

test('one that is lost twice keeps its turn, and the oldest make room', () => {
  const lost = new LostPeers()
  lost.lost('a', 0)
  lost.lost('a', 20 * SECOND_MS)
  expect(lost.waitMs(0)).toBe(FIRST_WAIT_MS)
  for (let i = 0; i < MAX_LOST; i++) lost.lost(`p${i}`, 1)
  expect(lost.size).toBe(MAX_LOST)
  expect(lost.take(FIRST_WAIT_MS + 1)).toBe('p0')
})

test('it says when to look again: when somebody is due, and no sooner than the gap allows', () => {
  const lost = new LostPeers()
  lost.lost('a', 0)
  lost.lost('b', SECOND_MS)
  expect(lost.waitMs(10 * SECOND_MS)).toBe(20 * SECOND_MS)
  expect(lost.take(FIRST_WAIT_MS)).toBe('a')
  expect(lost.waitMs(FIRST_WAIT_MS)).toBe(GAP_MS)
  expect(lost.take(FIRST_WAIT_MS + GAP_MS - 1)).toBeUndefined()
  expect(lost.take(FIRST_WAIT_MS + GAP_MS)).toBe('b')
})
