/** A piece that was false, given by several, comes from one peer alone: whoever that is, it does not keep it for ever. */
import { describe, expect, it } from 'vitest'
import { SECOND_MS } from '../../../src/base/units.ts'
import { MAX_REMEMBERED, SoloPiece } from '../../../src/transfer/core/solo-piece.ts'
import { FEATURE_PLACES } from '../../../src/transfer/protocol/messages.ts'
import { ALL, Bench, hello, only } from './bench.ts'

/** Peer 4 gave piece 1. Peer 1 gave three blocks of piece 0, peer 2 the last, and it was false. 2 no longer has it. */
function failed(): Bench {
  const bench = new Bench('00')
  for (const session of [1, 2, 4]) bench.openPlacer(session, ALL)
  bench.offer(4, 1)
  bench.completed(4, 1, 2, 3, 4)
  bench.do({ type: 'pieceVerified', piece: 1 })
  bench.offer(1, 0)
  bench.completed(1, 1, 2, 3)
  bench.say(1, { type: 'reject', id: 4, code: 'busy' })
  bench.now += SECOND_MS
  bench.offer(2, 0)
  bench.completed(2, 1)
  bench.do({ type: 'pieceFalse', piece: 0 })
  bench.say(2, { type: 'reject', id: 2, code: 'notHeld' })
  bench.now += 10 * SECOND_MS
  return bench
}

describe('a piece that must come from one peer alone', () => {
  it('is not asked of one after the other at every tick where all have been silent', () => {
    const bench = failed()
    // each is silent for 20 s in all, and given up after five
    for (let at = 0; at < 40; at++) {
      for (const session of [1, 2, 4]) bench.say(session, { type: 'interested' })
      bench.offer(at % 2 === 0 ? 4 : 1, 0)
      bench.wait(5 * SECOND_MS)
      bench.now += 100 * SECOND_MS
    }
    // all may be asked again
    for (let at = 0; at < 5; at++) {
      for (const session of [1, 2, 4]) bench.say(session, { type: 'interested' })
      bench.now += 100 * SECOND_MS
    }
    const isSnubbed = ({ snubbed }: { snubbed: boolean }) => snubbed
    expect(bench.swarm.snapshot(bench.now).sessions.filter(isSnubbed).length).toBe(2)
    expect(only([...bench.offer(4, 0), ...bench.offer(1, 0)], 'request').length).toBe(1)
    expect(only(bench.wait(4 * SECOND_MS), 'cancelRequest')).toEqual([])
  })

  it('is asked of the suspects where who else has it rejects it', () => {
    const bench = failed()
    bench.open(3, ALL)
    expect(only(bench.say(3, { type: 'unchoke' }), '3: request').length).toBe(1)
    bench.say(3, { type: 'reject', id: 1, code: 'busy' })
    const asked = bench.wait(2 * SECOND_MS)
    expect(only([...asked, ...bench.offer(1, 0)], '1: request').length).toBe(1)
  })

  it('is taken from one that trickles when another offers it that is known to be quicker, once', () => {
    const bench = failed()
    bench.openPlacer(3, ALL)
    expect(only(bench.offer(3, 0), '3: request').length).toBe(1)
    for (let at = 0; at < 10; at++) bench.tick(1000, [{ session: 3, down: 2000, up: 0 }])
    expect(only(bench.offer(4, 0), '4: request').length).toBe(1)
    expect(only(bench.say(4, { type: 'reject', id: 5, code: 'busy' }), '3: request').length).toBe(1)
    for (let at = 0; at < 10; at++) bench.tick(1000, [{ session: 3, down: 2000, up: 0 }])
    expect(only(bench.offer(4, 0), 'request')).toEqual([])
  })

  it('does not wait for one that let us down less often and has all hands full', () => {
    const bench = new Bench('000')
    for (const session of [1, 2]) bench.openPlacer(session, ALL)
    bench.offer(1, 0)
    bench.completed(1, 1, 2, 3)
    bench.say(1, { type: 'reject', id: 4, code: 'busy' })
    bench.now += SECOND_MS
    bench.offer(2, 0)
    bench.completed(2, 1)
    bench.open(3)
    bench.say(3, hello(ALL, { maxRequests: 1, features: FEATURE_PLACES }))
    bench.say(3, { type: 'unchoke' })
    expect(only(bench.offer(3, 1), '3: request').length).toBe(1)
    bench.do({ type: 'pieceFalse', piece: 0 })
    const asked: string[] = []
    for (let second = 0; second < 10; second++) {
      asked.push(...bench.tick(1000, [{ session: 3, down: 4096, up: 0 }]), ...bench.offer(1, 0))
    }
    expect(only(asked, '1: request 0').length).toBe(1)
  })
})

it('so many peers that failed with a piece are remembered, the last ones', () => {
  const piece = new SoloPiece()
  for (let at = 0; at < 2 * MAX_REMEMBERED; at++) {
    piece.failed('known')
    piece.failed(`peer${at}`)
    expect(piece.takeOver(`peer${at}`)).toBe(true)
  }
  expect(piece.failuresOf('known')).toBe(2 * MAX_REMEMBERED)
  const remembered = Array.from({ length: 2 * MAX_REMEMBERED }, (_, at) => piece.failuresOf(`peer${at}`))
  expect(remembered.reduce((sum, failures) => sum + failures)).toBe(MAX_REMEMBERED - 1)
  expect(remembered.at(-1)).toBe(1)
  expect(piece.takeOver('peer0')).toBe(true)
  expect(piece.takeOver(`peer${2 * MAX_REMEMBERED - 1}`)).toBe(false)
})
