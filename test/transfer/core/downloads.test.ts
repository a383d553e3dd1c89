/** The answer to an offer: asked for, or declined. */
import { describe, expect, it } from 'vitest'
import { MIB } from '../../../src/base/units.ts'
import { ALL, Bench, bits, NONE, only } from './bench.ts'

const quarters = (session: number, piece: number) =>
  [0, 0.25, 0.5, 0.75].map(part => `${session}: request ${piece + part}+0.25`)

/** What is declined is said before what is asked for. */
const byKind = (a: string, b: string) => Number(b.includes('decline')) - Number(a.includes('decline'))

/** A leecher and so many that place. */
function leecher(held: string, placers: number): Bench {
  const bench = new Bench(held, { regularSlots: 0, optimisticSlots: 0 })
  for (let session = 1; session <= placers; session++) bench.openPlacer(session, ALL)
  return bench
}

describe('an offer', () => {
  it('is answered by requests for the whole piece, though the offerer chokes', () => {
    expect(leecher('0000', 1).offer(1, 2)).toEqual(quarters(1, 2))
  })

  it('counts before its have: the offerer has the piece in a moment', () => {
    const bench = new Bench('0000')
    bench.openPlacer(1, NONE)
    expect(bench.offer(1, 2)).toEqual(quarters(1, 2))
  })

  it('is declined when the piece comes from elsewhere, is held, or is not wanted', () => {
    const bench = leecher('1000', 2)
    bench.offer(1, 2)
    expect(bench.offer(2, 2)).toEqual(['2: decline 2 coming'])
    expect(bench.offer(2, 0)).toEqual(['2: decline 0 coming'])
    expect(bench.offer(2, 2, 1)[0]).toBe('2: decline 2 coming')
    const paused = leecher('1000', 1)
    paused.do({ type: 'fetchPaused', paused: true })
    expect(paused.offer(1, 1)).toEqual(['1: decline 1 busy'])
    const reader = leecher('0000', 1)
    reader.do({ type: 'prioritiesSet', ranges: [{ offset: 0, length: 1 }], onlyThese: true })
    expect(reader.offer(1, 1)).toEqual(['1: decline 1 coming'])
  })

  it('is declined for now when two pieces are on their way from one that gave nothing yet', () => {
    const bench = leecher('00000', 1)
    expect(bench.offer(1, 0)).toEqual(quarters(1, 0))
    expect(bench.offer(1, 1)).toEqual(quarters(1, 1))
    expect(bench.offer(1, 2)).toEqual(['1: decline 2 busy'])
    bench.tick(250, [{ session: 1, down: 1, up: 0 }])
    // a byte is no gift
    expect(bench.offer(1, 2)).toEqual(['1: decline 2 busy'])
    bench.completed(1, 1)
    expect(bench.offer(1, 2)).toEqual(quarters(1, 2))
  })

  it('of many pieces by one that gave nothing yet is taken for two, and the others are declined for now', () => {
    const bench = leecher('00000', 1)
    expect(bench.offer(1, 0, 1, 2, 3)).toEqual(
      [...quarters(1, 0), ...quarters(1, 1), '1: decline 2,3 busy'].sort(byKind)
    )
  })

  it('is taken though two others owe us two pieces each, as they gave nothing for half a second', () => {
    const bench = leecher('0'.repeat(12), 3)
    for (const session of [1, 2]) bench.offer(session, 2 * session, 2 * session + 1)
    expect(bench.offer(3, 8)).toEqual(['3: decline 8 busy'])
    bench.tick(500)
    expect(only(bench.offer(3, 8), 'request')).toEqual(quarters(3, 8))
  })

  it('is declined for now when four pieces are on their way, or more than comes in 250 ms', () => {
    const bench = leecher('0'.repeat(12), 3)
    bench.offer(1, 0)
    bench.offer(1, 1)
    bench.offer(2, 2)
    bench.offer(2, 3)
    expect(bench.offer(3, 4)).toEqual(['3: decline 4 busy'])
    expect(bench.offer(3, 3)).toEqual(['3: decline 3 coming'])
    // 8 MiB/s: two pieces more
    bench.tick(250, [{ session: 1, down: 4 * MIB, up: 0 }])
    expect(only(bench.offer(3, 4), 'request')).toEqual(quarters(3, 4))
    expect(only(bench.offer(3, 5), 'request')).toEqual(quarters(3, 5))
    expect(bench.offer(2, 6)).toEqual(['2: decline 6 busy'])
  })

  it('of a piece that the root does not have ends the session', () => {
    expect(leecher('0000', 1).offer(1, 4)).toContain('1: disconnect protocol')
  })

  it('of an open piece that another began is taken up where that one left', () => {
    const bench = leecher('0000', 2)
    bench.offer(1, 2)
    bench.completed(1, 1, 2)
    bench.do({ type: 'sessionClosed', session: 1 })
    expect(bench.offer(2, 2)).toEqual(quarters(2, 2).slice(2))
  })
})

describe('a peer that places', () => {
  it('is asked for nothing that it did not offer', () => {
    const bench = leecher('0000', 1)
    expect(bench.say(1, { type: 'unchoke' })).toEqual([])
    bench.open(2, ALL)
    expect(bench.say(2, { type: 'unchoke' }).length).toBeGreaterThan(0)
  })

  it('is told that we are interested as long as anything is missing', () => {
    const bench = new Bench('0100')
    expect(bench.openPlacer(1, NONE)).toContain('1: interested')
    expect(bench.open(2, bits('0100'))).not.toContain('2: interested')
    const comes = (piece: number) => [...bench.do({ type: 'pieceVerified', piece }), ...bench.wait(250)]
    for (const piece of [0, 2]) expect(comes(piece)).not.toContain('1: notInterested')
    expect(comes(3)).toContain('1: notInterested')
  })
})
