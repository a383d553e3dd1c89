/** The parts of the core that fit in a few lines of test each. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MIB, SECOND_MS } from '../../../src/base/units.ts'
import { Bitfield } from '../../../src/content/bitfield.ts'
import { Blame } from '../../../src/transfer/core/blame.ts'
import { HAVE_BATCH_BYTES, HaveAnnouncer } from '../../../src/transfer/core/have-announcer.ts'
import { ManifestExchange } from '../../../src/transfer/core/manifest-exchange.ts'
import { PendingHave } from '../../../src/transfer/core/pending-have.ts'
import { PieceSet, toRuns } from '../../../src/transfer/core/piece-set.ts'
import { RequestWindow } from '../../../src/transfer/core/request-window.ts'

describe('blame', () => {
  it('is proof where one peer gave all', () => {
    expect(new Blame().failed(1, ['a'])).toEqual({ ban: ['a'], disconnect: [] })
  })

  it('needs three pieces where several gave', () => {
    const blame = new Blame()
    expect(blame.failed(1, ['a', 'b'])).toEqual({ ban: [], disconnect: [] })
    blame.failed(1, ['a', 'c'])
    blame.failed(2, ['a', 'c'])
    expect(blame.failed(3, ['a', 'd'])).toEqual({ ban: [], disconnect: ['a'] })
  })

  it('falls on nobody where nobody gave', () => {
    expect(new Blame().failed(1, [])).toEqual({ ban: [], disconnect: [] })
  })
})

describe('the manifest exchange', () => {
  it('asks one peer at a time, and goes on where it is', () => {
    const exchange = new ManifestExchange(10 * SECOND_MS)
    expect(exchange.next([1, 2], 0)).toEqual({ session: 1, first: 0, count: 16 })
    expect(exchange.next([1, 2], 149)).toBeUndefined()
    exchange.accepted(1, 16, 149)
    expect(exchange.next([1, 2], 149)).toEqual({ session: 1, first: 16, count: 1024 })
  })

  it('asks a second peer for the first nodes, once, and whoever answers first for the rest', () => {
    const exchange = new ManifestExchange(10 * SECOND_MS)
    expect(exchange.second([1], 0)).toBeUndefined()
    exchange.next([1], 0)
    expect(exchange.second([1], 0)).toBeUndefined()
    expect(exchange.second([1, 2, 3], 5)).toEqual({ session: 2, first: 0, count: 16 })
    expect(exchange.second([1, 2, 3], 6)).toBeUndefined()
    exchange.accepted(2, 9, 7)
    expect(exchange.next([1, 2, 3], 7)).toBeUndefined()
    exchange.accepted(2, 16, 8)
    expect(exchange.next([1, 2, 3], 8)).toEqual({ session: 2, first: 16, count: 1024 })
    expect(exchange.second([1, 2, 3], 8)).toBeUndefined()
    // the first was only slower
    exchange.accepted(1, 40, 9)
    expect(exchange.next([1, 2, 3], 9)).toBeUndefined()
  })

  it('goes on with the first where it answers before the second, and asks another second where that one left', () => {
    const exchange = new ManifestExchange(10 * SECOND_MS)
    exchange.next([1, 2, 3], 0)
    exchange.second([1, 2, 3], 0)
    exchange.gone(2)
    expect(exchange.second([1, 3], 1)?.session).toBe(3)
    exchange.accepted(1, 3, 2)
    exchange.accepted(3, 3, 3)
    expect(exchange.next([1, 3], 3)).toBeUndefined()
    exchange.gone(3)
    expect(exchange.second([1, 4], 4)).toBeUndefined()
  })

  it('asks another after 150 ms without a node, longer where there is no other, and comes back later', () => {
    const exchange = new ManifestExchange(10 * SECOND_MS)
    exchange.next([1, 2], 0)
    exchange.accepted(1, 5, 100)
    expect(exchange.next([1, 2], 249)).toBeUndefined()
    expect(exchange.next([1, 2], 250)).toEqual({ session: 2, first: 5, count: 1024 })
    expect(exchange.next([1, 2], 10_249)).toBeUndefined()
    exchange.gone(2)
    expect(exchange.next([1], 10_249)).toBeUndefined()
    expect(exchange.next([1], 60_000)?.session).toBe(1)
  })

  it('waits twice as long where all are far away, and four times at most', () => {
    const exchange = new ManifestExchange(10 * SECOND_MS)
    const all = [1, 2, 3, 4, 5, 6]
    expect(exchange.next(all, 0)?.session).toBe(1)
    expect(exchange.next(all, 150)?.session).toBe(2)
    expect(exchange.next(all, 449)).toBeUndefined()
    expect(exchange.next(all, 450)?.session).toBe(3)
    expect(exchange.next(all, 1049)).toBeUndefined()
    expect(exchange.next(all, 1050)?.session).toBe(4)
    expect(exchange.next(all, 1650)?.session).toBe(5)
    expect(exchange.next(all, 2250)?.session).toBe(6)
  })

  it('does not take for late who answered, however long it was not asked', () => {
    const exchange = new ManifestExchange(10 * SECOND_MS)
    let now = 0
    for (let known = 1024; known <= 4096; known += 1024) {
      exchange.next([1, 2], now)
      exchange.accepted(1, known, now + 10)
      now += 1000
    }
    expect(exchange.next([1, 2], now)?.session).toBe(1)
    expect(exchange.next([1, 2], now + 149)).toBeUndefined()
    expect(exchange.next([1, 2], now + 150)?.session).toBe(2)
  })

  it('takes what a slow one sends in the end, and goes on with it', () => {
    const exchange = new ManifestExchange(10 * SECOND_MS)
    exchange.next([1], 0)
    expect(exchange.next([1], 10_000)).toBeUndefined()
    exchange.accepted(1, 2, 12_000)
    expect(exchange.next([1], 12_000)).toEqual({ session: 1, first: 2, count: 1024 })
  })

  it('leaves one that cannot give more than it gave', () => {
    const exchange = new ManifestExchange(10 * SECOND_MS)
    exchange.next([1, 2], 0)
    exchange.accepted(1, 3, 1)
    exchange.ended(1, 1)
    expect(exchange.next([1, 2], 1)).toEqual({ session: 2, first: 3, count: 1024 })
  })
})

describe('the request window', () => {
  /** A path that carries `rate` and has a delay: what is in flight is limited by the window. */
  function run(rate: number, delayMs: number, seconds: number): RequestWindow {
    const window = new RequestWindow(2 * MIB, 8 * MIB)
    const block = MIB / 4
    let now = 0
    const end = seconds * SECOND_MS
    while (now < end) {
      // a block each time that the path, or the window in a round trip, allows one
      now += Math.max((block * 1000) / rate, (block * (delayMs + (block * 1000) / rate)) / window.bytes)
      window.completed(block, now)
    }
    return window
  }

  it('stays at two pieces where that is enough', () => {
    expect(run(MIB, 20, 60).bytes).toBeLessThanOrEqual(2.5 * MIB)
  })

  it('grows on a long fast path', () => {
    expect(run(40 * MIB, 100, 10).bytes).toBeGreaterThan(4 * MIB)
  })

  it('keeps within its bounds', () => {
    expect(run(500 * MIB, 500, 20).bytes).toBe(8 * MIB)
    expect(new RequestWindow(2 * MIB, MIB).bytes).toBe(MIB)
  })
})

describe('haves', () => {
  it('are gathered into runs', () => {
    const haves = new HaveAnnouncer()
    for (const piece of [5, 3, 4, 9]) haves.add(piece, 1)
    expect(haves.isDue).toBe(false)
    expect(haves.withdraw(9)).toBe(true)
    expect(haves.take()).toEqual([{ type: 'have', runs: [{ first: 3, count: 3 }], coming: [] }])
    expect(haves.take()).toEqual([])
    haves.add(1, HAVE_BATCH_BYTES - 1)
    expect(haves.isDue).toBe(false)
    haves.add(2, 1)
    expect(haves.isDue).toBe(true)
  })

  it('that came before the manifest are exact', () => {
    const change = fc.tuple(fc.boolean(), fc.nat(79), fc.integer({ min: 1, max: 20 }))
    const kind = fc.constantFrom('all', 'none', 'bitfield')
    fc.assert(
      fc.property(kind, fc.array(change, { maxLength: 20 }), (start, changes) => {
        const naive = new Set(start === 'none' ? [] : Array.from({ length: 100 }, (_, i) => i))
        const pending = new PendingHave()
        if (start === 'bitfield') pending.set({ kind: 'bitfield', bytes: Bitfield.full(100).bytes })
        else pending.set(start === 'all' ? { kind: 'all' } : { kind: 'none' })
        for (const [gained, first, count] of changes) {
          if (gained) pending.add(first, count)
          else pending.remove(first, count)
          for (let piece = first; piece < first + count; piece++) {
            if (gained) naive.add(piece)
            else naive.delete(piece)
          }
        }
        expect([...(pending.materialise(100)?.ones() ?? ['nothing'])]).toEqual([...naive].sort((a, b) => a - b))
      })
    )
  })

  it('that do not fit are refused', () => {
    const pending = new PendingHave()
    pending.set({ kind: 'none' })
    pending.add(10, 1)
    expect(pending.materialise(10)).toBeUndefined()
    pending.set({ kind: 'bitfield', bytes: new Uint8Array(3) })
    expect(pending.materialise(10)).toBeUndefined()
    pending.set({ kind: 'bitfield', bytes: Uint8Array.of(0, 1) })
    expect(pending.materialise(10)).toBeUndefined()
  })
})

describe('a piece set', () => {
  const SIZE = 150
  const pieces = fc.array(fc.nat(SIZE - 1), { maxLength: 80 })
  const build = (indexes: readonly number[]) => {
    const set = new PieceSet(SIZE)
    for (const index of indexes) set.add(index)
    return set
  }

  it('is a set', () => {
    fc.assert(
      fc.property(pieces, pieces, fc.nat(SIZE), fc.nat(SIZE), (a, b, from, end) => {
        const set = build(a)
        const other = build(b)
        const naive = new Set(a)
        const both = [...naive].filter(index => b.includes(index)).sort((x, y) => x - y)
        expect([...set.ones()]).toEqual([...naive].sort((x, y) => x - y))
        expect(set.count).toBe(naive.size)
        expect(set.countCommon(other)).toBe(both.length)
        expect(set.nextCommon(other, from, end)).toBe(both.find(index => index >= from && index < end) ?? -1)
        const whole = Array.from({ length: Math.max(0, end - from) }, (_, i) => from + i)
        expect(set.hasRange(from, Math.max(from, end))).toBe(whole.every(index => naive.has(index)))
        set.addRange(from, end)
        for (const index of whole) naive.add(index)
        naive.delete(SIZE)
        expect(set.count).toBe(naive.size)
        for (const index of b) expect(set.delete(index)).toBe(naive.delete(index))
        expect([...set.ones()]).toEqual([...naive].sort((x, y) => x - y))
      })
    )
  })

  it('finds the next index that two others lack', () => {
    const within = fc.option(pieces, { nil: undefined })
    fc.assert(
      fc.property(pieces, pieces, pieces, within, fc.nat(SIZE), fc.nat(SIZE + 5), (a, b, c, d, from, end) => {
        const found = build(a).nextOutside(build(b), build(c), {
          from,
          end,
          within: d === undefined ? undefined : build(d)
        })
        const naive = a.filter(
          index =>
            index >= from && index < end && !b.includes(index) && !c.includes(index) && d?.includes(index) !== false
        )
        expect(found).toBe(naive.length === 0 ? -1 : Math.min(...naive))
      }),
      { numRuns: 1000 }
    )
  })

  it('turns into a bitfield and back, and into runs', () => {
    fc.assert(
      fc.property(pieces, indexes => {
        const set = build(indexes)
        expect([...PieceSet.fromBitfield(set.toBitfield()).ones()]).toEqual([...set.ones()])
        const back = toRuns(set.ones()).flatMap(({ first, count }) =>
          Array.from({ length: count }, (_, i) => first + i)
        )
        expect(back).toEqual([...set.ones()])
      })
    )
  })
})
