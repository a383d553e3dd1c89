/** Who is given what, and when. */
import { describe, expect, it } from 'vitest'
import { MIB, SECOND_MS } from '../../../src/base/units.ts'
import type { SwarmConfig } from '../../../src/transfer/core/config.ts'
import { UNCONFIRMED_MS } from '../../../src/transfer/core/lapse.ts'
import { ALL, ask, Bench, NONE, only } from './bench.ts'

/** A seeder, and so many leechers that place. Returns what it offered at first too. */
function seeder(held: string, leechers: number, config: Partial<SwarmConfig> = {}): { bench: Bench; offers: string[] } {
  const bench = new Bench(held, config)
  const offers: string[] = []
  for (let session = 1; session <= leechers; session++) offers.push(...join(bench, session))
  return { bench, offers }
}

/** A leecher that places what it uploads. */
function join(bench: Bench, session: number, have = NONE): string[] {
  bench.openPlacer(session, have)
  return only(bench.say(session, { type: 'interested' }), 'offer')
}

const toward = (offer: string) => {
  const [session = '', piece = ''] = offer.split(': offer ')
  return { session: Number(session), piece: Number(piece) }
}

describe('a seeder', () => {
  it('offers each piece once before any twice', () => {
    for (const count of [8, 20]) {
      const { bench, offers: pending } = seeder('1'.repeat(count), 2)
      const order: number[] = []
      const seen = new Set<string>()
      for (let offer = pending.shift(); offer !== undefined; offer = pending.shift()) {
        const { session, piece } = toward(offer)
        seen.add(offer)
        order.push(piece)
        bench.say(session, ask(order.length, piece * MIB))
        bench.do({ type: 'uploadEnded', session, id: order.length, sentBytes: MIB })
        bench.now += 50
        pending.push(...only(bench.has(session, piece), 'offer'))
      }
      expect(new Set(order.slice(0, count)).size).toBe(count)
      expect(seen.size).toBe(2 * count)
      expect(order.length).toBe(2 * count)
    }
  })

  it('keeps a piece and a block placed at first, whoever is there', () => {
    expect(seeder('1'.repeat(8), 4).offers.length).toBe(2)
  })

  it('offers no more ahead to one that has at once all that it was offered: that came from elsewhere', () => {
    const { bench, offers } = seeder('1'.repeat(200), 1)
    let pending = offers
    let placed = 0
    for (let round = 0; round < 40; round++) {
      bench.now += 10
      const [first, ...rest] = pending.map(offer => toward(offer).piece)
      if (first === undefined) throw new Error('nothing is offered')
      placed = Math.max(placed, 1 + rest.length)
      pending = [...rest.map(piece => `1: offer ${piece}`), ...only(bench.has(1, first), 'offer')]
    }
    expect(placed).toBe(2)
  })

  it('sends one batch after the other', () => {
    const { bench, offers } = seeder('1111', 1)
    const [one, two] = offers.map(toward)
    if (one === undefined || two === undefined) throw new Error('nothing was offered')
    expect(only(bench.say(1, ask(1, one.piece * MIB)), 'upload').length).toBe(1)
    expect(only(bench.say(1, ask(2, two.piece * MIB)), 'upload')).toEqual([])
    const arriving = bench.say(1, { type: 'arriving', pieces: [one.piece] })
    expect(only(arriving, 'upload')).toEqual([`1: upload ${two.piece}+1`])
  })

  it('goes by what the stream took where the peer says nothing: when all of it was taken', () => {
    const bench = new Bench('1111')
    bench.open(1, NONE)
    const [one, two] = only(bench.say(1, { type: 'interested' }), 'offer').map(toward)
    if (one === undefined || two === undefined) throw new Error('nothing was offered')
    const quarter = MIB / 4
    for (let id = 1; id <= 4; id++) bench.say(1, ask(id, one.piece * MIB + (id - 1) * quarter, quarter))
    bench.say(1, ask(5, two.piece * MIB))
    for (let id = 1; id <= 3; id++) {
      expect(only(bench.do({ type: 'uploadEnded', session: 1, id, sentBytes: quarter }), 'upload')).toEqual([])
    }
    const last = bench.do({ type: 'uploadEnded', session: 1, id: 4, sentBytes: quarter })
    expect(only(last, 'upload')).toEqual([`1: upload ${two.piece}+1`])
  })

  it('does not give up on a piece of which a part is not sent yet: the uplink may be slow', () => {
    const { bench } = seeder('1', 1)
    for (let id = 1; id <= 4; id++) bench.say(1, ask(id, ((id - 1) / 4) * MIB, MIB / 4))
    for (let id = 1; id <= 4; id++) {
      expect(only(bench.wait(25 * SECOND_MS), 'offer')).toEqual([])
      bench.do({ type: 'uploadEnded', session: 1, id, sentBytes: MIB / 4 })
    }
    expect(only(bench.wait(9 * SECOND_MS), 'offer')).toEqual([])
    expect(only(bench.wait(3 * SECOND_MS), 'offer')).toEqual(['1: offer 0'])
  })

  it('under a limit too: is not held up by who asks for a part and never says what came of it', () => {
    const { bench, offers } = seeder('1'.repeat(8), 1)
    const tick = () => only(bench.do({ type: 'tick', moved: [], heldBack: [], upLimit: 20e6 }), 'offer')
    tick()
    for (const [at, { piece }] of offers.map(toward).entries()) {
      bench.say(1, ask(at + 1, piece * MIB, 1024))
      bench.do({ type: 'uploadEnded', session: 1, id: at + 1, sentBytes: 1024 })
    }
    const others = join(bench, 2)
    for (const end = bench.now + UNCONFIRMED_MS - SECOND_MS; bench.now < end; bench.now += 250) others.push(...tick())
    expect(others.map(offer => toward(offer).session)).toContain(2)
  })

  it('gives all the same of a limit of its own, and no more to one that comes later', () => {
    const upLimit = 4e6
    const { bench } = seeder('1'.repeat(400), 3)
    const got = new Map([1, 2, 3, 4].map(session => [session, 0]))
    let pending: string[] = []
    let id = 0
    // a piece a quarter of a second, each whole before the next; the fourth comes in the middle
    for (let round = 0; round < 160; round++) {
      if (round === 80) pending.push(...join(bench, 4))
      const [next, ...rest] = pending.map(toward)
      pending = rest.map(({ session, piece }) => `${session}: offer ${piece}`)
      if (next !== undefined) {
        id += 1
        bench.say(next.session, ask(id, next.piece * MIB))
        bench.do({ type: 'uploadEnded', session: next.session, id, sentBytes: MIB })
        pending.push(...only(bench.has(next.session, next.piece), 'offer'))
        got.set(next.session, (got.get(next.session) ?? 0) + 1)
      }
      bench.now += 250
      const moved = next === undefined ? [] : [{ session: next.session, down: 0, up: MIB }]
      pending.push(...only(bench.do({ type: 'tick', moved, heldBack: [], upLimit }), 'offer'))
      if (round === 79) {
        expect([...got.values()].reduce((a, b) => a + b)).toBeGreaterThan(70)
        // what was forgotten after five seconds may add up: a piece each time
        expect(Math.max(...got.values()) - Math.min(...[...got.values()].slice(0, 3))).toBeLessThanOrEqual(5)
        got.clear()
      }
    }
    expect([...got.values()].reduce((a, b) => a + b)).toBeGreaterThan(70)
    expect(got.size).toBe(4)
    // the one that came has at most five seconds' worth more
    expect(Math.max(...got.values()) - Math.min(...got.values())).toBeLessThanOrEqual(7)
  })

  it('sends no more to one that asks for a part and never says what came of it: others are not held up', () => {
    const { bench, offers } = seeder('1'.repeat(8), 1)
    const pieces = offers.map(offer => toward(offer).piece)
    expect(pieces.length).toBe(2)
    const uploads = pieces.flatMap((piece, at) => only(bench.say(1, ask(at + 1, piece * MIB, 1024)), 'upload'))
    expect(uploads.length).toBe(1)
    bench.do({ type: 'uploadEnded', session: 1, id: 1, sentBytes: 1024 })
    expect(only(bench.wait(2 * SECOND_MS), 'upload')).toEqual([])
    const [other] = join(bench, 2).map(toward)
    if (other === undefined) throw new Error('nothing is offered')
    expect(only(bench.say(2, ask(1, other.piece * MIB)), 'upload')).toEqual([`2: upload ${other.piece}+1`])
  })

  it('does not send the rest of what was cancelled', () => {
    const { bench, offers } = seeder('1111', 1)
    const [one, two] = offers.map(toward)
    if (one === undefined || two === undefined) throw new Error('nothing was offered')
    bench.say(1, ask(1, one.piece * MIB))
    bench.say(1, ask(2, two.piece * MIB))
    expect(only(bench.say(1, { type: 'cancel', id: 2 }), 'cancelUpload')).toEqual([])
    expect(only(bench.has(1, one.piece), 'upload')).toEqual([])
  })

  it('is done with a piece whose requests were cancelled, though it was being sent', () => {
    const { bench, offers } = seeder('11', 1)
    const [piece = 0] = offers.map(offer => toward(offer).piece)
    bench.say(1, ask(1, piece * MIB, MIB / 2))
    bench.say(1, ask(2, (piece + 0.5) * MIB, MIB / 2))
    bench.do({ type: 'uploadEnded', session: 1, id: 1, sentBytes: MIB / 2 })
    expect(bench.tick(100)).not.toContain(`1: offer ${piece}`)
    bench.say(1, { type: 'cancel', id: 2 })
    expect(bench.tick(100)).toContain(`1: offer ${piece}`)
  })

  it('does not offer for five seconds what comes from elsewhere, and then again', () => {
    const { bench } = seeder('11', 1)
    expect(bench.decline(1, [0, 1])).toEqual([])
    expect(only(bench.wait(4 * SECOND_MS), 'offer')).toEqual([])
    // it never answered one: one at a time
    expect(only(bench.wait(2 * SECOND_MS), 'offer').length).toBe(1)
    bench.coming(1, 0, 1)
    expect(only(bench.say(1, { type: 'lost', runs: [{ first: 0, count: 1 }] }), 'offer')).toEqual(['1: offer 0'])
  })

  it('is not held up by one that never answers, though it has the least', () => {
    const { bench, offers } = seeder('1'.repeat(400), 2)
    let got = 0
    let pending = offers
    for (let at = 0; at < 600; at++) {
      bench.now += 100
      const actions: string[] = at % 2 === 0 ? only(bench.do({ type: 'tick', moved: [] }), 'offer') : []
      for (const { session, piece } of pending.map(toward)) {
        if (session !== 1) continue
        got += 1
        bench.say(1, ask(got, piece * MIB))
        bench.do({ type: 'uploadEnded', session: 1, id: got, sentBytes: MIB })
        actions.push(...only(bench.has(1, piece), 'offer'))
      }
      pending = actions
    }
    expect(got).toBe(400)
  })

  it('leaves one alone for longer each time that does not answer, until something arrives', () => {
    const { bench, offers } = seeder('11', 1)
    const pauses: number[] = []
    const lapse = () => {
      bench.wait(2 * SECOND_MS)
      const since = bench.now
      let next: string[] = []
      for (let at = 0; at < 100 && next.length === 0; at++) next = only(bench.tick(), 'offer')
      pauses.push((bench.now - since) / SECOND_MS)
      return next.map(toward)
    }
    expect(offers.length).toBe(2)
    for (let time = 0; time < 3; time++) lapse()
    const [last] = lapse()
    if (last === undefined) throw new Error('nothing was offered')
    bench.say(1, ask(1, last.piece * MIB))
    bench.has(1, last.piece)
    lapse()
    expect(pauses).toEqual([1, 2, 4, 8, 1])
  })

  it('leaves one alone for 250 ms that can take no more, and offers to others', () => {
    const { bench, offers } = seeder('1111', 1)
    join(bench, 2)
    const pieces = offers.map(offer => toward(offer).piece)
    expect(only(bench.decline(1, pieces, true), 'offer').map(offer => toward(offer).session)).toEqual([2, 2])
    bench.decline(2, [0, 1, 2, 3], true)
    bench.now += 249
    expect(only(bench.do({ type: 'tick', moved: [] }), 'offer')).toEqual([])
    expect(only(bench.tick(1), 'offer').length).toBe(2)
  })

  it('offers at once to one that could take no more, when it took most of what was on its way', () => {
    const { bench, offers } = seeder('1'.repeat(8), 1)
    const [first, ...rest] = offers.map(offer => toward(offer).piece)
    if (first === undefined) throw new Error('nothing is offered')
    bench.say(1, ask(1, first * MIB))
    bench.do({ type: 'uploadEnded', session: 1, id: 1, sentBytes: MIB })
    bench.now += 10
    expect(only(bench.decline(1, rest, true), 'offer')).toEqual([])
    bench.now += 10
    expect(only(bench.has(1, first), 'offer').length).toBeGreaterThan(0)
  })

  it('offers first what is wanted', () => {
    const { bench } = seeder('1'.repeat(20), 1)
    bench.decline(1, [...Array(20).keys()])
    bench.say(1, { type: 'want', urgent: [{ first: 7, count: 1 }], ahead: [{ first: 12, count: 1 }], only: true })
    const lost = bench.say(1, { type: 'lost', runs: [{ first: 0, count: 20 }] })
    expect(only(lost, 'offer')).toEqual(['1: offer 7', '1: offer 12'])
  })

  it('places nothing when it has no slots, or places nothing at all', () => {
    for (const config of [{ regularSlots: 0, optimisticSlots: 0 }, { places: false }]) {
      const { bench, offers } = seeder('1111', 2, config)
      expect([...offers, ...only(bench.wait(5 * SECOND_MS), 'offer')]).toEqual([])
    }
  })

  it('offers nothing to who wants nothing, or to who left', () => {
    const { bench } = seeder('1111', 1)
    bench.say(1, { type: 'notInterested' })
    expect(only(bench.wait(5 * SECOND_MS), 'offer')).toEqual([])
    join(bench, 2)
    bench.do({ type: 'sessionClosed', session: 2 })
    expect(only(bench.wait(5 * SECOND_MS), 'offer')).toEqual([])
  })
})

describe('a leecher', () => {
  const leecher = '1'.repeat(30).padEnd(40, '0')

  it('gives to those who gave before those who owe', () => {
    for (const generous of [1, 2]) {
      const bench = new Bench(leecher)
      for (const session of [1, 2]) bench.openPlacer(session, NONE)
      const moved = [1, 2].map(session => ({
        session,
        down: session === generous ? 4 * MIB : 0,
        up: session === generous ? 0 : 4 * MIB
      }))
      bench.tick(250, moved)
      const pending = [1, 2].flatMap(session => only(bench.say(session, { type: 'interested' }), 'offer')).map(toward)
      const order: number[] = []
      for (let next = pending.shift(); next !== undefined && order.length < 6; next = pending.shift()) {
        const { session, piece } = next
        order.push(session)
        bench.say(session, ask(order.length, piece * MIB))
        bench.do({ type: 'uploadEnded', session, id: order.length, sentBytes: MIB })
        bench.now += 100
        pending.push(...only(bench.has(session, piece), 'offer').map(toward))
      }
      // the first is there alone at first
      const settled = order.slice(2)
      expect(settled).toEqual(settled.map(() => generous))
      expect(settled.length).toBe(4)
    }
  })

  it('gives what is left over to those who owe', () => {
    const bench = new Bench(leecher)
    bench.openPlacer(1, NONE)
    bench.tick(250, [{ session: 1, down: 0, up: 40 * MIB }])
    expect(only(bench.say(1, { type: 'interested' }), 'offer').length).toBe(2)
  })

  it('as seeder gives to all alike', () => {
    const bench = new Bench('1'.repeat(40))
    for (const session of [1, 2]) join(bench, session)
    bench.tick(250, [{ session: 1, down: 0, up: 40 * MIB }])
    const offers = only(bench.wait(20 * SECOND_MS), 'offer').map(toward)
    expect(new Set(offers.map(({ session }) => session)).size).toBe(2)
  })

  it('offers nothing to a seeder', () => {
    const bench = new Bench(leecher)
    expect(join(bench, 1, ALL)).toEqual([])
  })
})
