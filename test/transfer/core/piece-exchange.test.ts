/** What we tell of what we hold, of what comes, and of what is wanted. */
import { describe, expect, it } from 'vitest'
import { MIB } from '../../../src/base/units.ts'
import { ALL, ask, Bench, hello, NONE, only } from './bench.ts'

/** A leecher; sessions 1 to 3 place, 4 does not. */
function leecher(held = '0000'): Bench {
  const bench = new Bench(held)
  for (const session of [1, 2, 3]) bench.openPlacer(session, ALL)
  bench.open(4, NONE)
  return bench
}

describe('what comes', () => {
  it('is told to the others that place, not to who sends it', () => {
    const actions = leecher().offer(1, 2)
    expect(only(actions, 'have')).toEqual(['2: have coming 2', '3: have coming 2'])
  })

  it('is told once, and with what was verified meanwhile', () => {
    const bench = leecher()
    bench.offer(1, 2)
    bench.completed(1, 1, 2, 3, 4)
    bench.do({ type: 'pieceVerified', piece: 2 })
    const actions = only(bench.offer(2, 3), 'have')
    expect(actions).toEqual(['1: have 2+1 coming 3', '2: have 2+1', '3: have 2+1 coming 3', '4: have 2+1'])
    expect(only(bench.tick(), 'have')).toEqual([])
  })

  it('is withdrawn when its giver goes or is told no more', () => {
    const bench = leecher()
    bench.offer(1, 2)
    bench.completed(1, 1)
    expect(only(bench.do({ type: 'sessionClosed', session: 1 }), 'lost')).toEqual(['2: lost 2+1', '3: lost 2+1'])
    bench.offer(2, 3)
    expect(only(bench.do({ type: 'fetchPaused', paused: true }), 'lost')).toEqual(['2: lost 3+1', '3: lost 3+1'])
  })
})

describe('a piece that was verified', () => {
  it('is told to its giver at once, to the others with the tick', () => {
    const bench = leecher()
    bench.offer(1, 2)
    bench.completed(1, 1, 2, 3, 4)
    expect(only(bench.do({ type: 'pieceVerified', piece: 2 }), 'have')).toEqual(['1: have 2+1'])
    expect(only(bench.tick(), 'have')).toEqual([1, 2, 3, 4].map(session => `${session}: have 2+1`))
  })

  it('is told to all at once by one that places nothing: others only pull', () => {
    const bench = new Bench('0000', { places: false })
    bench.open(1, ALL)
    expect(only(bench.do({ type: 'pieceVerified', piece: 2 }), 'have')).toEqual(['1: have 2+1'])
  })
})

describe('a piece of which all but the last block came', () => {
  it('is told to who places it, and only then', () => {
    const bench = leecher()
    bench.offer(1, 2)
    expect(bench.completed(1, 1, 2)).toEqual([])
    expect(bench.completed(1, 3)).toEqual(['1: arriving 2'])
    expect(bench.completed(1, 4)).toEqual(['verify 2+1'])

    const pulling = new Bench('1101')
    pulling.open(1, ALL)
    pulling.say(1, { type: 'unchoke' })
    expect(pulling.completed(1, 1, 2, 3)).toEqual([])
  })

  /** Session 5 lacks what comes from 1, and was offered it. */
  function passing(): Bench {
    const bench = leecher()
    bench.openPlacer(5, NONE)
    bench.say(5, { type: 'interested' })
    bench.offer(1, 2)
    expect(bench.completed(1, 1, 2)).toEqual([])
    expect(bench.completed(1, 3)).toEqual(['1: arriving 2', '5: offer 2'])
    return bench
  }

  it('is offered, and sent when it is verified', () => {
    const bench = passing()
    expect(bench.say(5, ask(1, 2 * MIB))).toEqual([])
    bench.completed(1, 4)
    expect(bench.do({ type: 'pieceVerified', piece: 2 })).toContain('5: upload 2+1')
  })

  it('is not sent when it was false', () => {
    const bench = passing()
    bench.say(5, ask(1, 2 * MIB))
    bench.completed(1, 4)
    const actions = bench.do({ type: 'pieceFalse', piece: 2 })
    expect(actions).toContain('5: reject 1 notHeld')
    expect(only(actions, '5: upload')).toEqual([])
    expect(bench.say(5, ask(2, 2 * MIB))).toEqual(['5: reject 2 notHeld'])
  })

  it('is not offered any longer when its giver goes: who asked is told', () => {
    const bench = passing()
    bench.say(5, ask(1, 2 * MIB))
    expect(bench.do({ type: 'sessionClosed', session: 1 })).toContain('5: reject 1 notHeld')
    expect(bench.say(5, ask(2, 2 * MIB))).toEqual(['5: reject 2 notHeld'])
    expect(only(bench.wait(10_000), 'offer')).toEqual([])
    expect(only(bench.offer(2, 2), 'request')).toEqual(['2: request 2.75+0.25'])
    bench.completed(2, 1)
    expect(only(bench.do({ type: 'pieceVerified', piece: 2 }), 'offer')).toEqual(['5: offer 2'])
  })
})

describe('a piece that was lost', () => {
  it('before the others heard of it is told to its giver, who did', () => {
    const bench = leecher()
    bench.offer(1, 2)
    bench.completed(1, 1, 2, 3, 4)
    bench.do({ type: 'pieceVerified', piece: 2 })
    expect(only(bench.do({ type: 'piecesLost', pieces: [2] }), 'lost')).toContain('1: lost 2+1')
    expect(only(bench.tick(), 'have')).toEqual([])
  })
})

describe('what is wanted first', () => {
  const set = (bench: Bench, first: number, pieces: number, onlyThese = false) =>
    bench.do({
      type: 'prioritiesSet',
      ranges: pieces === 0 ? [] : [{ offset: first * MIB, length: pieces * MIB }],
      onlyThese
    })

  it('is told to those that place: four urgent, then the others', () => {
    const actions = set(leecher('0000100000'), 2, 7)
    expect(only(actions, 'want')).toEqual([1, 2, 3].map(session => `${session}: want 2+2,5+2 then 7+2`))
    expect(only(set(leecher(), 1, 2, true), 'want')[0]).toBe('1: want 1+2 then  only')
  })

  it('is told to those who come later too', () => {
    const bench = leecher()
    set(bench, 1, 1)
    bench.open(7)
    expect(only(bench.openPlacer(8, NONE), 'want')).toEqual(['8: want 1+1 then '])
    expect(only(bench.open(9, NONE), 'want')).toEqual([])
  })

  it('is told when the manifest comes later', () => {
    const bench = new Bench()
    bench.openPlacer(1, ALL)
    expect(only(set(bench, 1, 1), 'want')).toEqual([])
    expect(only(bench.load('0000'), 'want')).toEqual(['1: want 1+1 then '])
  })

  it('is taken back, and not told when there was nothing', () => {
    const bench = leecher()
    expect(only(set(bench, 0, 0), 'want')).toEqual([])
    set(bench, 1, 1)
    // that can wait for the tick
    expect(only(set(bench, 0, 0), 'want')).toEqual([])
    expect(only(bench.wait(250), '1: want')).toEqual(['1: want  then '])
  })

  it('may name no more pieces than there are', () => {
    const bench = new Bench('1111')
    const want = (...urgent: Array<[number, number]>) =>
      bench.say(1, {
        type: 'want',
        urgent: urgent.map(([first, count]) => ({ first, count })),
        ahead: [{ first: 0, count: 4 }],
        only: false
      })
    bench.open(1)
    bench.say(1, hello(NONE))
    expect(want([0, 2], [2, 2])).toEqual([])
    expect(want([0, 3], [1, 3])).toContain('1: disconnect protocol')
  })
})
