/** Whom a node dials that gets nothing from those it has. */
import { describe, expect, it } from 'vitest'
import { SECOND_MS } from '../../../src/base/units.ts'
import { affinity } from '../../../src/transfer/core/affinity.ts'
import type { Input } from '../../../src/transfer/core/swarm-io.ts'
import { FEATURE_PLACES } from '../../../src/transfer/protocol/messages.ts'
import { ALL, Bench, bits, hello, only } from './bench.ts'

/** So many peers that gave what they have, which is no more than we have by now. */
function satisfied(count: number, outbound: boolean): Bench {
  const bench = new Bench('1100')
  for (let session = 1; session <= count; session++) {
    bench.do({ type: 'sessionOpened', session, peerId: `peer${session}`, outbound })
    bench.say(session, hello(bits('1100'), { features: FEATURE_PLACES }))
    bench.say(session, { type: 'interested' })
  }
  bench.tick(
    250,
    Array.from({ length: count }, (_, at) => ({ session: at + 1, down: 1000, up: 1000 }))
  )
  return bench
}

describe('a seeder that is found', () => {
  it.each([
    [12, false],
    [12, true],
    [40, false]
  ])('is dialled by one that has %i peers with nothing to give (outbound: %s)', (count, outbound) => {
    for (let at = 0; at < 10; at++) {
      const bench = satisfied(count, outbound)
      const actions = bench.do({ type: 'peersFound', peers: [{ id: `seeder${at}`, addrs: [], seeder: true }] })
      for (let second = 0; second < 60; second++) {
        for (let session = 1; session <= count; session++) bench.say(session, { type: 'interested' })
        actions.push(...bench.tick(1000))
      }
      expect(only(actions, 'dial seeder').length).toBeGreaterThan(0)
    }
  })
})

describe('a seeder that comes where there is no room', () => {
  const full = () => {
    const bench = satisfied(100, false)
    for (let second = 0; second < 40; second++) bench.tick(1000)
    return bench
  }

  it('gets that of a peer that gave all it has, while nothing comes from anybody', () => {
    const actions = full().open(101)
    expect(only(actions, '101: hello')).toHaveLength(1)
    expect(only(actions, 'disconnect')).toEqual(['1: disconnect full'])
  })

  it('does not get that of one that something moves with, or that has what is missing', () => {
    const bench = full()
    const moved = Array.from({ length: 99 }, (_, at) => ({ session: at + 1, down: 0, up: 1 }))
    bench.has(100, 2)
    bench.tick(1000, moved)
    expect(bench.open(101)).toEqual(['101: disconnect full'])
  })

  it('does not get that of any while something comes', () => {
    const bench = full()
    bench.tick(1000, [{ session: 1, down: 20_000, up: 0 }])
    expect(bench.open(101)).toEqual(['101: disconnect full'])
  })
})

describe('twelve that trickle', () => {
  it.each([
    ['pieces', '0000'],
    ['the same nodes', undefined]
  ])('%s do not keep a fetch from whoever else is known', (_, held) => {
    const bench = new Bench(held)
    bench.wait(2 * SECOND_MS)
    const sessions = Array.from({ length: 12 }, (_, at) => at + 1)
    for (const session of sessions) {
      bench.do({ type: 'sessionOpened', session, peerId: `peer${session}`, outbound: false })
      bench.say(session, hello(ALL, { features: FEATURE_PLACES }))
    }
    const actions = bench.do({ type: 'peersFound', peers: [{ id: 'good', addrs: [], seeder: true }] })
    for (let second = 0; second < 60; second++) {
      for (const session of sessions) bench.say(session, { type: 'interested' })
      const moved = sessions.map(session => ({ session, down: second % 8 === 0 ? 1 : 0, up: 0 }))
      if (held === undefined) bench.do({ type: 'nodesAccepted', session: 1, known: 1, complete: false })
      actions.push(...bench.tick(1000, moved))
    }
    expect(only(actions, 'dial good')).toHaveLength(1)
  })
})

describe('a peer that was dialled and says no hello', () => {
  const found: Input = { type: 'peersFound', peers: [{ id: 'peer1', addrs: [], seeder: true }] }

  it('is left after 30 s, and dialled again', () => {
    const bench = new Bench('0000')
    expect(bench.do(found)).toEqual(['dial peer1'])
    bench.open(1)
    expect(bench.wait(29 * SECOND_MS)).toEqual([])
    expect(bench.wait(SECOND_MS)).toEqual(['1: disconnect idle'])
    expect(bench.wait(6 * SECOND_MS)).toEqual(['dial peer1'])
  })

  it('is dialled again soon when it was it that waited in vain', () => {
    const bench = new Bench('0000')
    bench.do(found)
    bench.open(1)
    bench.say(1, { type: 'goodbye', code: 'idle', message: 'no hello' })
    expect(bench.wait(6 * SECOND_MS)).toEqual(['dial peer1'])
  })
})

describe('who alone has what we lack', () => {
  it('is not left for one that is preferred', () => {
    const ids = Array.from({ length: 20 }, (_, i) => `p${i}`).sort((a, b) => affinity('me', a) - affinity('me', b))
    const [least = '', other = '', ...rest] = ids
    const bench = new Bench('1100', { firstDialled: 2, maxDialled: 2, turnoverMs: SECOND_MS })
    bench.open(1, ALL, least)
    bench.open(2, bits('1100'), other)
    expect(only(bench.open(3, bits('1100'), rest.at(-1)), 'disconnect')).toEqual([])
    bench.open(4, ALL, rest.at(-2))
    expect(only(bench.open(5, ALL, rest.at(-3)), 'disconnect')).toEqual(['1: disconnect full'])
  })
})
