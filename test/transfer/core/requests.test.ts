/** What becomes of requests for what was offered. */
import { describe, expect, it } from 'vitest'
import { KIB, SECOND_MS } from '../../../src/base/units.ts'
import { ALL, Bench, only } from './bench.ts'

const isSnubbed = (bench: Bench) => bench.swarm.snapshot(bench.now).sessions[0]?.snubbed

describe('a peer that offered and gives nothing', () => {
  it('is given up after two seconds when another offers the same, and after five in any case', () => {
    const bench = new Bench('0000')
    bench.openPlacer(1, ALL)
    bench.openPlacer(2, ALL)
    bench.offer(1, 2, 3)
    expect(bench.wait(2 * SECOND_MS - 1)).toEqual([])
    expect(bench.offer(2, 2)).toEqual(['2: decline 2 coming'])
    expect(bench.tick(1)).toEqual(['2: lost 2+2'])
    const taken = bench.offer(2, 2)
    expect(only(taken, 'cancelRequest').length).toBe(8)
    expect(only(taken, 'request').length).toBe(4)
    bench.wait(SECOND_MS)
    expect(bench.offer(1, 3)).toEqual(['1: decline 3 busy'])
    bench.now += 9 * SECOND_MS - 1
    expect(bench.offer(1, 3)).toEqual(['1: decline 3 busy'])
    bench.now += 1
    expect(only(bench.offer(1, 3), 'request').length).toBe(4)
    expect(only(bench.wait(5 * SECOND_MS - 1), '1: cancelRequest')).toEqual([])
    expect(only(bench.tick(1), '1: cancelRequest').length).toBe(4)
  })

  it('is not given up before twenty where nobody else is there to give', () => {
    const bench = new Bench('0000')
    bench.openPlacer(1, ALL)
    bench.offer(1, 2)
    expect(bench.wait(20 * SECOND_MS - 1)).toEqual([])
    expect(only(bench.tick(1), 'cancelRequest').length).toBe(4)
  })

  it('is left alone twice as long each time, whatever trickles in between', () => {
    const bench = new Bench('0000')
    bench.openPlacer(1, ALL)
    bench.openPlacer(2, ALL)
    const coolMs = () => {
      bench.say(2, { type: 'interested' })
      bench.offer(1, 2)
      bench.wait(5 * SECOND_MS)
      const since = bench.now
      while (only(bench.offer(1, 2), 'busy').length > 0) bench.now += SECOND_MS
      bench.wait(5 * SECOND_MS)
      return bench.now - since
    }
    const first = coolMs()
    bench.now += 200 * SECOND_MS
    const later = coolMs()
    expect(later).toBeGreaterThan(1.5 * first)
    // something came, but no request was answered in full
    bench.tick(250, [{ session: 1, down: 4096, up: 0 }])
    bench.now += 2000 * SECOND_MS
    expect(coolMs()).toBeGreaterThan(1.5 * later)
    bench.tick(250, [{ session: 1, down: 4096, up: 0 }])
  })

  it('is snubbed once it gave nothing for 20 s', () => {
    const bench = new Bench('0000')
    bench.openPlacer(1, ALL)
    bench.offer(1, 2)
    bench.wait(15 * SECOND_MS)
    bench.offer(1, 2)
    bench.wait(4750)
    expect(isSnubbed(bench)).toBe(false)
    bench.wait(250)
    expect(isSnubbed(bench)).toBe(true)
  })

  it('is not given up while something comes', () => {
    const bench = new Bench('0000')
    bench.openPlacer(1, ALL)
    bench.offer(1, 2)
    for (let at = 0; at < 60; at++) expect(bench.tick(250, [{ session: 1, down: 1024, up: 0 }])).toEqual([])
  })

  it('is given up though a byte comes now and then', () => {
    const bench = new Bench('0000')
    bench.openPlacer(1, ALL)
    bench.openPlacer(2, ALL)
    bench.offer(1, 2)
    const actions = Array.from({ length: 20 }, () => bench.tick(250, [{ session: 1, down: 1, up: 0 }])).flat()
    expect(only(actions, 'cancelRequest').length).toBe(4)
  })
})

describe('a peer that rejects what it offered', () => {
  const small = () => {
    const bench = new Bench('0'.repeat(200), {}, 256 * KIB)
    bench.openPlacer(1, ALL)
    return bench
  }
  const broken = (bench: Bench, id: number) => {
    expect(only(bench.offer(1, id), 'request').length).toBe(1)
    return bench.say(1, { type: 'reject', id, code: 'busy' })
  }

  it('is not asked for a second, and a second longer each time', () => {
    const bench = small()
    for (const [id, seconds] of [
      [1, 1],
      [2, 2],
      [3, 3]
    ] as const) {
      broken(bench, id)
      bench.now += seconds * SECOND_MS - 1
      expect(bench.offer(1, 30)).toEqual(['1: decline 30 busy'])
      bench.now += 1
    }
    expect(only(bench.offer(1, 30), 'request').length).toBe(1)
  })

  it('is ended after sixteen, unless it gave four times as much', () => {
    const bench = small()
    for (let id = 1; id <= 16; id++) {
      expect(only(broken(bench, id), 'disconnect')).toEqual([])
      bench.now += 20 * SECOND_MS
    }
    expect(broken(bench, 17)).toContain('1: disconnect limit')

    const answers = (bench: Bench, id: number) => {
      expect(only(bench.offer(1, id), 'request').length).toBe(1)
      bench.completed(1, id)
    }
    const kept = small()
    for (let id = 1; id <= 150; id++) {
      if (id % 5 > 0) answers(kept, id)
      else expect(only(broken(kept, id), 'disconnect')).toEqual([])
      kept.now += 20 * SECOND_MS
    }

    // one block for each that it rejects
    const alternating = small()
    let id = 0
    for (let ended = false; !ended; alternating.now += 30 * SECOND_MS) {
      answers(alternating, ++id)
      ended = broken(alternating, ++id).includes('1: disconnect limit')
      expect(id).toBeLessThan(50)
    }
  })
})

describe('a peer that lost what it offered, and has given nothing yet', () => {
  const every = Array.from({ length: 20 }, (_, at) => 2 * at)
  const lost = (bench: Bench) => {
    const asked = only(
      every.flatMap(piece => bench.offer(1, piece)),
      'request'
    )
    bench.now += 1
    return asked.flatMap(() => bench.say(1, { type: 'reject', id: ++id, code: 'notHeld' }))
  }
  let id = 0

  it('stays, however many small pieces were asked of it at that time', () => {
    id = 0
    const bench = new Bench('0'.repeat(40), {}, 4 * KIB)
    bench.openPlacer(1, ALL)
    const actions = lost(bench)
    expect(id).toBe(20)
    expect(only(actions, 'disconnect')).toEqual([])
    bench.now += SECOND_MS
    expect(only(bench.offer(1, 1), 'request')).toHaveLength(1)
  })

  it('does not do so for ever', () => {
    id = 0
    const bench = new Bench('0'.repeat(40), {}, 4 * KIB)
    bench.openPlacer(1, ALL)
    for (let wave = 1; wave <= 16; wave++) {
      expect(only(lost(bench), 'disconnect')).toEqual([])
      bench.say(1, { type: 'have', runs: [{ first: 0, count: 40 }], coming: [] })
      bench.now += 20 * SECOND_MS
    }
    expect(lost(bench)).toContain('1: disconnect limit')
  })
})

it('who was silent for a moment an hour ago is not taken for silent since', () => {
  const bench = new Bench('00')
  bench.openPlacer(1, ALL)
  bench.offer(1, 0)
  bench.wait(4 * SECOND_MS)
  for (const id of [1, 2, 3, 4]) bench.say(1, { type: 'reject', id, code: 'busy' })
  for (let minute = 0; minute < 60; minute++) {
    bench.say(1, { type: 'interested' })
    bench.wait(60 * SECOND_MS)
  }
  expect(only(bench.offer(1, 1), 'request')).toHaveLength(4)
  bench.wait(250)
  expect(bench.swarm.snapshot(bench.now).sessions[0]?.snubbed).toBe(false)
})
