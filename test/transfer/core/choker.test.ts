import { describe, expect, it } from 'vitest'
import { MIB, SECOND_MS } from '../../../src/base/units.ts'
import { Choker, type ChokerPeer } from '../../../src/transfer/core/choker.ts'

interface Sim {
  session: number
  interested: boolean
  unchoked: boolean
  snubbed: boolean
  downRate: number
  turnBytes: number
  unchokedAt: number
  chokedAt: number
  got: number
}

function peers(rates: readonly number[]): Sim[] {
  return rates.map((downRate, i) => ({
    session: i + 1,
    interested: true,
    unchoked: false,
    snubbed: false,
    downRate,
    turnBytes: 0,
    unchokedAt: 0,
    chokedAt: -1,
    got: 0
  }))
}

const SLOTS = { regular: 4, optimistic: 1, optimisticTurnMs: 30 * SECOND_MS }

function apply(all: readonly Sim[], chosen: ReadonlySet<number>, now: number): void {
  for (const peer of all) {
    const unchoke = chosen.has(peer.session)
    if (unchoke && !peer.unchoked) Object.assign(peer, { unchoked: true, unchokedAt: now, turnBytes: 0 })
    if (!unchoke && peer.unchoked) Object.assign(peer, { unchoked: false, chokedAt: now })
  }
}

const ids = (chosen: Iterable<number>) => [...chosen].sort((a, b) => a - b)

describe('the choker', () => {
  it('as leecher chooses the peers that give most, and one more', () => {
    const choker = new Choker(SLOTS)
    const chosen = choker.decide(peers([5, 90, 10, 80, 70, 60, 1, 2]), false, 0)
    expect(chosen.size).toBe(5)
    for (const best of [2, 4, 5, 6]) expect(chosen.has(best)).toBe(true)
  })

  it('unchokes all where there is room, and nobody who is not interested', () => {
    const choker = new Choker(SLOTS)
    const all = peers([1, 2, 3])
    const [idle] = all
    if (idle !== undefined) idle.interested = false
    expect(ids(choker.decide(all, false, 0))).toEqual([2, 3])
    expect(ids(choker.fill(all))).toEqual([2, 3])
  })

  it('leaves out who snubs us', () => {
    const choker = new Choker({ ...SLOTS, optimistic: 0 })
    const all = peers([90, 80, 70, 60, 50])
    const [best] = all
    if (best !== undefined) best.snubbed = true
    expect(ids(choker.decide(all, false, 0))).toEqual([2, 3, 4, 5])
  })

  it('fills free slots at once, newcomers first', () => {
    const choker = new Choker(SLOTS)
    const all = peers([0, 0, 0, 0, 0, 0])
    apply(all, new Set([1, 2, 3]), 0)
    for (const peer of all.slice(3, 5)) peer.chokedAt = 100
    expect(choker.fill(all)).toEqual([6, 4])
  })

  it('gives the same answer whatever the order of the peers', () => {
    const all = peers([3, 3, 3, 3, 3, 3, 3, 3, 3])
    const one = new Choker(SLOTS).decide(all, false, 0)
    const other = new Choker(SLOTS).decide([...all].reverse(), false, 0)
    expect(ids(one)).toEqual(ids(other))
  })

  it('as leecher gives every peer a start within some minutes', () => {
    const choker = new Choker(SLOTS)
    const all = peers([90, 80, 70, 60, ...Array<number>(12).fill(0)])
    const started = new Set<number>()
    for (let now = 0; now < 10 * 60 * SECOND_MS; now += 10 * SECOND_MS) {
      const chosen = choker.decide(all, false, now)
      apply(all, chosen, now)
      expect(chosen.size).toBe(5)
      for (const session of chosen) started.add(session)
    }
    expect(started.size).toBe(16)
  })

  it('as seeder serves twenty peers evenly over thirty minutes', () => {
    const choker = new Choker(SLOTS)
    const all = peers(Array<number>(20).fill(0))
    for (let now = 0; now < 30 * 60 * SECOND_MS; now += 10 * SECOND_MS) {
      apply(all, choker.decide(all, true, now), now)
      const unchoked = all.filter(peer => peer.unchoked)
      expect(unchoked.length).toBe(5)
      for (const peer of unchoked) {
        peer.turnBytes += 10 * MIB
        peer.got += 10 * MIB
      }
    }
    const got = all.map(peer => peer.got)
    const mean = got.reduce((sum, bytes) => sum + bytes, 0) / got.length
    expect(Math.min(...got)).toBeGreaterThan(mean * 0.8)
    expect(Math.max(...got)).toBeLessThan(mean * 1.2)
  })

  it('reads its peers only', () => {
    const all: readonly ChokerPeer[] = peers([1, 2, 3, 4, 5, 6, 7]).map(peer => Object.freeze(peer))
    expect(() => new Choker(SLOTS).decide(Object.freeze(all), true, 0)).not.toThrow()
  })
})
