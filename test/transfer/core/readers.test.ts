/** What readers want, many of them and often: all of it is told, and no more often than peers stand. */
import { describe, expect, it } from 'vitest'
import { KIB, MIB } from '../../../src/base/units.ts'
import { MESSAGE_UNITS_PER_SEC, MessageBudget, unitsOf } from '../../../src/transfer/core/message-budget.ts'
import { WANT_UNITS_PER_SEC } from '../../../src/transfer/core/want-teller.ts'
import { ALL, Bench, only } from './bench.ts'

const MIB_AT = (piece: number, count = 1) => ({ offset: piece * MIB, length: count * MIB })
const wanting = (bench: Bench, ...ranges: Array<{ offset: number; length: number }>) =>
  bench.do({ type: 'prioritiesSet', ranges, onlyThese: true })

describe('all that readers wait for is told', () => {
  it('of hundreds of small pieces', () => {
    const bench = new Bench('0'.repeat(400), {}, 4 * KIB)
    bench.openPlacer(1, ALL)
    const ranges = Array.from({ length: 300 }, (_, at) => ({ offset: at * 4 * KIB, length: 4 * KIB }))
    expect(only(wanting(bench, ...ranges), 'want')).toEqual(['1: want 0+4 then 4+296 only'])
  })

  it('of one that comes after many whose wishes are here already', () => {
    const bench = new Bench(`${'1'.repeat(64)}${'0'.repeat(64)}`)
    bench.openPlacer(1, ALL)
    const paused = Array.from({ length: 64 }, (_, at) => MIB_AT(at))
    expect(only(wanting(bench, ...paused, MIB_AT(100, 4)), 'want')).toEqual(['1: want 100+4 then  only'])
  })

  it('before it is told that we are interested, as those that place offer at once', () => {
    const bench = new Bench('0000')
    wanting(bench)
    expect(only(bench.openPlacer(1, ALL), 'interested')).toEqual([])
    expect(wanting(bench, MIB_AT(2)).slice(0, 2)).toEqual(['1: want 2+1 then  only', '1: interested'])
  })

  it('again when a piece that was held is lost', () => {
    const bench = new Bench('0100')
    bench.openPlacer(1, ALL)
    expect(only(wanting(bench, MIB_AT(0, 2)), 'want')).toEqual(['1: want 0+1 then  only'])
    bench.do({ type: 'piecesLost', pieces: [1] })
    expect(only(bench.wait(250), 'want')).toEqual(['1: want 0+2 then  only'])
  })

  it('of what was offered before it was wanted it is said that it does not come from elsewhere', () => {
    const bench = new Bench('0000')
    bench.openPlacer(1, ALL)
    wanting(bench, MIB_AT(0))
    expect(bench.offer(1, 2)).toEqual(['1: decline 2 coming'])
    expect(only(wanting(bench, MIB_AT(2)), '1: lost')).toEqual(['1: lost 2+1'])
    expect(only(bench.offer(1, 2), 'request')).toHaveLength(4)
    expect(only(wanting(bench, MIB_AT(3)), '1: lost')).toEqual([])
  })
})

describe('what a reader waits for comes', () => {
  const come = (bench: Bench, piece: number) => [
    ...bench.offer(1, piece),
    ...bench.do({ type: 'pieceVerified', piece }),
    ...bench.wait(250)
  ]

  it('and what comes after it is not pressed for until the reader says so', () => {
    const bench = new Bench('0'.repeat(16))
    bench.openPlacer(1, ALL)
    expect(only(wanting(bench, MIB_AT(0, 8)), 'want')).toEqual(['1: want 0+4 then 4+4 only'])
    expect(only(come(bench, 0), 'want')).toEqual([])
    expect(only(come(bench, 1), 'want')).toEqual([])
    expect(only(wanting(bench, MIB_AT(2, 8)), 'want')).toEqual(['1: want 2+4 then 6+4 only'])
  })
})

describe('readers that come and go', () => {
  it('say nothing of what changes nothing, and take back at the next tick', () => {
    const bench = new Bench('00000')
    bench.openPlacer(1, ALL)
    wanting(bench, MIB_AT(0, 2))
    expect(wanting(bench, MIB_AT(0, 2))).toEqual([])
    expect(only(wanting(bench, MIB_AT(1)), '1: ')).toEqual([])
    expect(only(wanting(bench), '1: ')).toEqual([])
    // and is back before anybody was told
    expect(only(wanting(bench, MIB_AT(0, 2)), '1: ')).toEqual([])
    expect(only(bench.wait(250), 'want')).toEqual([])
    wanting(bench)
    expect(only(bench.wait(250), '1: ')).toEqual(['1: notInterested', '1: want  then  only'])
  })

  it('by the thousand stay within what a peer stands, and what is left unsaid is said soon', () => {
    const bench = new Bench('0'.repeat(200))
    bench.openPlacer(1, ALL)
    let told = 0
    for (let at = 0; at < 2000; at++) {
      bench.now += 5
      const actions = [...wanting(bench), ...wanting(bench, MIB_AT(at % 199))]
      if (at % 50 === 0) actions.push(...bench.wait(250))
      told += only(actions, '1: want').length + only(actions, 'nterested').length
    }
    const seconds = bench.now / 1000
    const units = unitsOf({ type: 'want', urgent: [{ first: 0, count: 1 }], ahead: [], only: true }, 200)
    expect(told).toBeLessThan((seconds + 1) * (WANT_UNITS_PER_SEC / units + 8))
    expect((told * units) / seconds).toBeLessThan(MESSAGE_UNITS_PER_SEC / 2)
    wanting(bench, MIB_AT(199))
    expect([...only(bench.wait(250), '1: want')].every(want => want.includes('199+1'))).toBe(true)
  })

  it('one after the other, each with its piece, say neither that they wait nor that they do not', () => {
    const bench = new Bench('0'.repeat(1000))
    bench.openPlacer(1, ALL)
    const told: string[] = []
    for (let piece = 0; piece < 1000; piece++) {
      told.push(...wanting(bench, MIB_AT(piece)), ...bench.offer(1, piece))
      bench.now += 20
      told.push(...bench.do({ type: 'pieceVerified', piece }), ...wanting(bench))
      // nobody reads: the runner pauses the fetch
      told.push(...bench.do({ type: 'fetchPaused', paused: true }))
      bench.now += 5
      told.push(...bench.do({ type: 'fetchPaused', paused: false }))
      if (piece % 10 === 9) told.push(...bench.do({ type: 'tick', moved: [] }))
    }
    const seconds = bench.now / 1000
    const changes = [...only(told, '1: want'), ...only(told, 'nterested')].length
    const units = unitsOf({ type: 'interested' }, 1000)
    expect((changes * units) / seconds).toBeLessThan(MESSAGE_UNITS_PER_SEC * 0.6)
  })

  it.each([
    [300, MIB],
    [64, 256 * KIB],
    [1, 4 * KIB]
  ])('%i of them, far ahead in pieces of %i bytes, stay within what a peer stands', (readers, size) => {
    const count = 8000
    const bench = new Bench('0'.repeat(count), {}, size)
    bench.openPlacer(1, ALL)
    const budget = new MessageBudget(bench.now)
    const wanted = new Map<number, { offset: number; length: number }>()
    for (let at = 0; at < 600; at++) {
      bench.now += 25
      const reader = at % readers
      const first = (Math.floor((reader * count) / readers) + Math.floor(at / readers) * Math.ceil(MIB / size)) % count
      wanted.delete(reader)
      wanted.set(reader, { offset: first * size, length: Math.min(16 * MIB, (count - first) * size) })
      const input = { type: 'prioritiesSet', ranges: [...wanted.values()], onlyThese: true } as const
      for (const action of [
        ...bench.swarm.handle(input, bench.now),
        ...(at % 10 === 0 ? bench.swarm.handle({ type: 'tick', moved: [] }, bench.now) : [])
      ]) {
        if (action.type === 'send') expect(budget.take(action.message, count, bench.now)).toBe(true)
      }
    }
  })
})
