/** Peers as strings of what they hold, a digit a piece; below a naive model that looks at everything every time. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../../src/base/random.ts'
import { KIB, MIB } from '../../../src/base/units.ts'
import type { Batch } from '../../../src/transfer/core/batch.ts'
import { STALLED_MS, UNANSWERED_MS, UNCONFIRMED_MS } from '../../../src/transfer/core/lapse.ts'
import { PieceSet } from '../../../src/transfer/core/piece-set.ts'
import { Placement, PROMISED_MS, type Wants } from '../../../src/transfer/core/placement.ts'
import { MAX_OFFER_PIECES } from '../../../src/transfer/protocol/limits.ts'
import { pieceMap } from './mini-sim.ts'

const ANY = Number.POSITIVE_INFINITY

function set(digits: string): PieceSet {
  const pieces = new PieceSet(digits.length)
  for (const [piece, digit] of [...digits].entries()) if (digit === '1') pieces.add(piece)
  return pieces
}

interface Peer {
  readonly id: number
  readonly have: PieceSet
  countsAsSeeder: boolean
}

function setUp(init: { held: string; peers: string[]; size?: number; seed?: number }) {
  const over: Batch[] = []
  const lapsed: number[] = []
  const placement = new Placement({
    pieces: pieceMap([...init.held].map(() => init.size ?? MIB)),
    held: set(init.held),
    random: seededRandom(init.seed ?? 1),
    byRarity: true,
    onOver: batch => over.push(batch),
    onLapsed: session => lapsed.push(session),
    isSlow: () => false
  })
  const peers: Peer[] = init.peers.map((have, i) => ({ id: i + 1, have: set(have), countsAsSeeder: false }))
  for (const peer of peers) placement.join(peer)
  /** `peer:pieces` of what is placed, until there is no more to place. */
  const placeAll = (takers = peers) => {
    const placed: string[] = []
    for (;;) {
      const batch = placement.place(takers, ANY, 0)
      if (batch === undefined) return placed
      placed.push(`${batch.session}:${[...batch.left.keys()].join(',')}`)
    }
  }
  const peer = (id: number) => peers[id - 1] ?? { id: 0, have: set(''), countsAsSeeder: false }
  return { placement, peers, peer, over, lapsed, placeAll }
}

const wants = (urgent: string, ahead: string, only = false): Wants => ({ urgent: set(urgent), ahead: set(ahead), only })
const pieceOf = (placed: string | undefined) => placed?.split(':')[1] ?? ''

describe('placement', () => {
  it('places each piece once before any twice', () => {
    const { placeAll } = setUp({ held: '11111', peers: ['00000', '00000'] })
    const placed = placeAll()
    expect(placed.length).toBe(10)
    expect(placed.slice(0, 5).map(pieceOf).sort()).toEqual(['0', '1', '2', '3', '4'])
  })

  it('gives the rarest to the first in order who lacks it', () => {
    const { placement, peers } = setUp({ held: '111', peers: ['110', '001', '110'] })
    const [one, two, three] = peers
    if (one === undefined || two === undefined || three === undefined) throw new Error('no peers')
    const placed = placement.place([two, three, one], ANY, 0)
    expect([placed?.session, ...(placed?.left.keys() ?? [])]).toEqual([3, 2])
  })

  it('places only what is rarer than told', () => {
    const { placement, peers, placeAll } = setUp({ held: '11', peers: ['10', '01', '00'] })
    expect(placement.place(peers, 1, 0)).toBeUndefined()
    expect(placement.place(peers, 2, 0)).toBeDefined()
    expect(placeAll().length).toBe(3)
  })

  it('gathers small pieces, no more than 256 KiB and only what the peer lacks', () => {
    const { placeAll } = setUp({ held: '1'.repeat(100), peers: [`${'0'.repeat(50)}1${'0'.repeat(49)}`], size: 8 * KIB })
    const runs = placeAll().map(placed => pieceOf(placed).split(',').map(Number))
    for (const run of runs) {
      expect(run.length).toBeLessThanOrEqual(32)
      expect(run.every((piece, at) => at === 0 || piece === (run[at - 1] ?? 0) + 1)).toBe(true)
    }
    expect(runs.flat().sort((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, i) => i).filter(i => i !== 50))
    expect(runs.length).toBeLessThan(9)
  })

  it('holds back what comes to the peer from elsewhere, for five seconds at most', () => {
    const { placement, peer, placeAll } = setUp({ held: '11', peers: ['00'] })
    placement.promised(peer(1), [0, 1], 0)
    placement.promiseBroken(1, 1, 2)
    expect(placeAll()).toEqual(['1:1'])
    Object.assign(placement.batchOf(1, 1) ?? {}, { askedAt: 0 })
    placement.tick(PROMISED_MS - 1)
    expect(placeAll()).toEqual([])
    placement.tick(PROMISED_MS)
    expect(placeAll()).toEqual(['1:0'])
  })

  it('takes back what was offered and comes from elsewhere, not what was asked for', () => {
    const { placement, peer, over, placeAll } = setUp({ held: '11', peers: ['00'] })
    placeAll()
    const asked = placement.batchOf(1, 0)
    if (asked === undefined) throw new Error('nothing was placed')
    asked.askedAt = 0
    placement.promised(peer(1), [0, 1], 0)
    expect(placement.batchOf(1, 0)).toBe(asked)
    expect(placement.batchOf(1, 1)).toBeUndefined()
    expect(over.length).toBe(1)
    expect(placement.permitsOf(1)?.allow(0, MIB)).toBe(true)
    expect(placement.permitsOf(1)?.allow(MIB, 2 * MIB)).toBe(false)
  })

  it('waits two seconds for an answer, and ten for the news that it arrived', () => {
    const { placement, over, lapsed, placeAll } = setUp({ held: '111', peers: ['000'] })
    placeAll()
    const [asked, sent] = [placement.batchOf(1, 0), placement.batchOf(1, 1)]
    if (asked === undefined || sent === undefined) throw new Error('nothing was placed')
    asked.askedAt = 10
    Object.assign(sent, { askedAt: 10, startedAt: 10, sentAt: 1000 })
    placement.tick(UNANSWERED_MS - 1)
    expect(placement.placedBytes).toBe(3 * MIB)
    placement.tick(UNANSWERED_MS)
    expect(over.map(batch => batch.askedAt)).toEqual([undefined])
    // it may still be asked for
    expect(placement.permitsOf(1)?.allow(0, 3 * MIB)).toBe(true)
    placement.tick(1000 + UNCONFIRMED_MS - 1)
    expect(placement.batchOf(1, 1)).toBe(sent)
    placement.tick(1000 + UNCONFIRMED_MS)
    expect(placement.batchOf(1, 1)).toBeUndefined()
    expect(placement.batchOf(1, 0)).toBe(asked)
    expect(lapsed).toEqual([1, 1])
    // one that was started, and whose taker does not read
    Object.assign(asked, { startedAt: 20_000, movedAt: 20_000 })
    placement.tick(20_000 + STALLED_MS - 1)
    expect(placement.batchOf(1, 0)).toBe(asked)
    placement.tick(20_000 + STALLED_MS)
    expect(placement.placedBytes).toBe(0)
    expect(lapsed).toEqual([1, 1, 1])
  })

  it('permits each byte once, and again what was taken back before it was sent', () => {
    const { placement, placeAll } = setUp({ held: '11', peers: ['00'] })
    placeAll()
    placement.permitsOf(1)?.use(MIB / 2, MIB)
    expect(placement.permitsOf(1)?.allow(0, MIB)).toBe(false)
    expect(placement.permitsOf(1)?.allow(0, MIB / 2)).toBe(true)
    placement.permitsOf(1)?.use(0, MIB / 2)
    expect(placement.permitsOf(1)?.allow(0, 1)).toBe(false)
    expect(placement.permitsOf(1)?.allow(MIB, 2 * MIB)).toBe(true)
    placement.permitsOf(1)?.giveBack(0, MIB / 4)
    expect(placement.permitsOf(1)?.allow(0, MIB / 4)).toBe(true)
    expect(placement.permitsOf(1)?.allow(0, MIB / 2)).toBe(false)
  })

  it('permits what was offered last, 4096 pieces', () => {
    const count = 4 * MAX_OFFER_PIECES + 100
    const { placement, placeAll } = setUp({ held: '1'.repeat(count), peers: ['0'.repeat(count)] })
    const order = placeAll().map(placed => Number(pieceOf(placed)))
    const permitted = order.filter(piece => placement.permitsOf(1)?.allow(piece * MIB, (piece + 1) * MIB))
    expect(permitted).toEqual(order.slice(100))
    expect(placement.permitsOf(2)?.allow(0, MIB)).toBeUndefined()
  })
})

describe('placement for readers', () => {
  it('what nobody else has of what they read soon, what they wait for, what they read soon, anything', () => {
    for (let seed = 0; seed < 20; seed++) {
      const { placement, placeAll } = setUp({ held: '111111', peers: ['000000', '110111'], seed })
      placement.wanted(1, wants('110000', '001100'))
      const placed = placeAll()
        .filter(text => text.startsWith('1:'))
        .map(pieceOf)
      expect(placed[0]).toBe('2')
      expect(placed.slice(1, 3).sort()).toEqual(['0', '1'])
      expect(placed[3]).toBe('3')
      expect(placed.slice(4).sort()).toEqual(['4', '5'])
    }
  })

  it('nothing else when they want nothing else', () => {
    const { placement, placeAll } = setUp({ held: '111111', peers: ['000000'] })
    placement.wanted(1, wants('010000', '000010', true))
    expect(placeAll().sort()).toEqual(['1:1', '1:4'])
    placement.wanted(1, undefined)
    expect(placeAll().length).toBe(4)
  })

  it('keeps small pieces of a batch to what they want', () => {
    const { placement, placeAll } = setUp({ held: '11111111', peers: ['00000000'], size: KIB })
    placement.wanted(1, wants('00111000', '00000000', true))
    expect(placeAll()).toEqual(['1:2,3,4'])
  })
})

// the naive model

const SIZES = [MIB, 4 * KIB, 4 * KIB, 100, 0, 200 * KIB, 100 * KIB, 4 * KIB, 300 * KIB, 2 * MIB, 90 * KIB, 90 * KIB]
const COUNT = SIZES.length
const piece = fc.nat(COUNT - 1)
const some = fc.array(piece, { maxLength: 4 })
const n = fc.nat(30)

const step = fc.oneof(
  fc.record({ do: fc.constant('join' as const), have: fc.array(fc.boolean(), { minLength: COUNT, maxLength: COUNT }) }),
  fc.record({ do: fc.constantFrom('leave' as const, 'ask' as const, 'send' as const), peer: n, nth: n }),
  fc.record({ do: fc.constantFrom('gained' as const, 'withdrawn' as const), peer: n, pieces: some }),
  fc.record({ do: fc.constantFrom('promised' as const, 'promiseBroken' as const), peer: n, pieces: some }),
  fc.record({ do: fc.constant('broken' as const), peer: n, piece }),
  fc.record({ do: fc.constant('offerable' as const), piece, offerable: fc.boolean() }),
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('place' as const),
      turn: n,
      below: fc.oneof({ weight: 4, arbitrary: fc.constant(ANY) }, { weight: 1, arbitrary: fc.nat(3) })
    })
  },
  fc.record({ do: fc.constant('wanted' as const), peer: n, urgent: some, ahead: some, only: fc.boolean() }),
  fc.record({ do: fc.constant('tick' as const), ms: fc.nat(4000) })
)
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never

interface Member extends Peer {
  readonly placed: Map<number, Batch>
  readonly promised: Map<number, number>
  wants: { urgent: number[]; ahead: number[]; only: boolean } | undefined
}

class Model {
  readonly pieces = pieceMap(SIZES)
  readonly offerable = new Set<number>([0, 1, 2, 3, 5])
  readonly over: Batch[] = []
  readonly placement: Placement
  members: Member[] = []
  now = 0
  placed = 0
  #nextId = 1

  constructor(seed: number) {
    this.placement = new Placement({
      pieces: this.pieces,
      held: set('111101000000'),
      random: seededRandom(seed),
      byRarity: true,
      onOver: batch => this.over.push(batch),
      onLapsed: session => expect(this.members.map(member => member.id)).toContain(session),
      isSlow: () => false
    })
  }

  run(action: Step): void {
    const member = 'peer' in action ? this.members[action.peer % Math.max(1, this.members.length)] : undefined
    switch (action.do) {
      case 'join': {
        const have = set(action.have.map(Number).join(''))
        const joined = { id: this.#nextId++, have, countsAsSeeder: have.isFull, placed: new Map(), promised: new Map() }
        this.members.push({ ...joined, wants: undefined })
        this.placement.join(joined)
        return
      }
      case 'place':
        this.place(action.turn, action.below)
        return
      case 'offerable':
        this.placement.offerable(action.piece, action.offerable)
        // one without bytes needs no peer
        if (action.offerable && SIZES[action.piece] !== 0) this.offerable.add(action.piece)
        else this.offerable.delete(action.piece)
        return
      case 'tick':
        this.now += action.ms
        this.placement.tick(this.now)
        for (const { placed, promised } of this.members) {
          for (const [index, { askedAt, offeredAt, sentAt }] of placed) {
            const unanswered = askedAt === undefined && this.now - offeredAt >= UNANSWERED_MS
            const unconfirmed = sentAt !== undefined && this.now - sentAt >= UNCONFIRMED_MS
            if (unanswered || unconfirmed) placed.delete(index)
          }
          for (const [index, at] of promised) if (this.now - at >= PROMISED_MS) promised.delete(index)
        }
        return
      default:
        if (member !== undefined) this.runFor(member, action)
    }
  }

  runFor(member: Member, action: Exclude<Step, { do: 'join' | 'place' | 'offerable' | 'tick' }>): void {
    const { id, have, placed, promised } = member
    switch (action.do) {
      case 'leave':
        this.members = this.members.filter(other => other !== member)
        this.placement.leave(member)
        return
      case 'ask':
      case 'send': {
        const batch = [...placed.values()][action.nth % Math.max(1, placed.size)]
        if (batch === undefined) return
        batch.askedAt ??= this.now
        if (action.do === 'ask') return
        batch.startedAt ??= this.now
        batch.sentAt ??= this.now
        return
      }
      case 'gained': {
        const fresh = [...new Set(action.pieces)].filter(index => have.add(index))
        const ours = fresh.filter(index => placed.has(index))
        const started = ours.filter(index => placed.get(index)?.startedAt !== undefined)
        const bytesOf = (indexes: number[]) => indexes.reduce((sum, index) => sum + (SIZES[index] ?? 0), 0)
        expect(this.placement.gained(member, fresh)).toEqual({
          placedBytes: bytesOf(ours),
          startedBytes: bytesOf(started)
        })
        for (const index of fresh) {
          placed.delete(index)
          promised.delete(index)
        }
        return
      }
      case 'withdrawn': {
        const gone = [...new Set(action.pieces)].filter(index => have.delete(index))
        this.placement.withdrawn(member, gone)
        member.countsAsSeeder = false
        return
      }
      case 'promised':
        this.placement.promised(member, action.pieces, this.now)
        for (const index of action.pieces) {
          if (have.has(index) || placed.get(index)?.askedAt !== undefined) continue
          placed.delete(index)
          promised.set(index, this.now)
        }
        return
      case 'promiseBroken': {
        const [first = 0, end = 0] = action.pieces
        this.placement.promiseBroken(id, first, end)
        for (let index = first; index < end; index++) {
          promised.delete(index)
          placed.delete(index)
        }
        return
      }
      case 'broken':
        this.placement.broken(id, action.piece)
        placed.delete(action.piece)
        return
      case 'wanted': {
        const { urgent, ahead, only } = action
        member.wants = { urgent, ahead, only }
        const setOf = (indexes: number[]) =>
          set(SIZES.map((_, index) => (indexes.includes(index) ? '1' : '0')).join(''))
        this.placement.wanted(id, { urgent: setOf(urgent), ahead: setOf(ahead), only })
      }
    }
  }

  rarity(index: number): number {
    const counts = ({ have, placed, promised, countsAsSeeder }: Member) =>
      Number(have.has(index) && !countsAsSeeder) + Number(placed.has(index)) + Number(promised.has(index))
    return this.members.reduce((sum, member) => sum + counts(member), 0)
  }

  lacks({ have, placed, promised }: Member, index: number): boolean {
    return this.offerable.has(index) && !have.has(index) && !placed.has(index) && !promised.has(index)
  }

  /** What may come next: pairs of the first class that has any, of the least rarity there, of the first taker. */
  best(takers: readonly Member[], below: number): { taker: Member; pieces: number[]; within: number[] | undefined } {
    const readers = takers.filter(({ wants }) => wants !== undefined)
    const free = readers.filter(({ wants }) => wants?.only === false)
    const classes: Array<[readonly Member[], (member: Member) => number[] | undefined, number]> = [
      [readers, ({ wants }) => wants?.urgent, Math.min(below, 1)],
      [readers, ({ wants }) => wants?.ahead, Math.min(below, 1)],
      [takers, ({ wants }) => wants?.urgent, below],
      [readers, ({ wants }) => wants?.ahead, below],
      [free, () => undefined, below]
    ]
    for (const [among, withinOf, less] of classes) {
      const open = (member: Member) =>
        SIZES.map((_, index) => index).filter(
          index => this.lacks(member, index) && withinOf(member)?.includes(index) !== false && this.rarity(index) < less
        )
      const least = Math.min(...among.flatMap(open).map(index => this.rarity(index)))
      for (const taker of among) {
        const pieces = open(taker).filter(index => this.rarity(index) === least)
        if (pieces.length > 0) return { taker, pieces, within: withinOf(taker) }
      }
    }
    return { taker: { id: 0 } as Member, pieces: [], within: undefined }
  }

  place(turn: number, below: number): void {
    const cut = turn % Math.max(1, this.members.length)
    const takers = [...this.members.slice(cut), ...this.members.slice(0, cut)]
    const { taker, pieces, within } = this.best(takers, below)
    const batch = this.placement.place(takers, below, this.now)
    if (batch === undefined) {
      expect(pieces).toEqual([])
      return
    }
    this.placed += 1
    const run = [...batch.left.keys()]
    expect(batch.session).toBe(taker.id)
    expect(run.some(index => pieces.includes(index))).toBe(true)
    expect(run).toEqual(run.map((_, at) => (run[0] ?? 0) + at))
    for (const index of run) {
      expect(this.lacks(taker, index)).toBe(true)
      if (within !== undefined) expect(within).toContain(index)
    }
    if (run.length > 1) expect(batch.leftBytes).toBeLessThan(2 * 256 * KIB)
    for (const index of run) taker.placed.set(index, batch)
  }

  toPassOn({ have, placed, promised }: Member): number {
    const leechers = this.members.filter(member => !member.countsAsSeeder).length
    return SIZES.reduce((sum, _, index) => {
      if (!have.has(index) && !placed.has(index) && !promised.has(index)) return sum
      const holders = Math.max(1, this.rarity(index))
      return sum + Math.max(0, leechers - holders) / holders
    }, 0)
  }

  check(): void {
    const { placement } = this
    let seen = ''
    let said = ''
    for (const member of this.members) {
      const { id, placed } = member
      const bytes = [...placed.keys()].reduce((sum, index) => sum + (SIZES[index] ?? 0), 0)
      said += `${id}: ${bytes} ${this.toPassOn(member)} ${[...placed.keys()]}\n`
      const batches = SIZES.map((_, index) => index).filter(index => placement.batchOf(id, index) !== undefined)
      const inOrder = [...placed.keys()].filter(index => placement.batchOf(id, index) === placed.get(index))
      seen += `${id}: ${placement.placedWith(id)} ${placement.toPassOn(member, 0)} ${inOrder}\n`
      expect(batches.length).toBe(placed.size)
      for (const [index, batch] of placed) {
        said += `${index} ${this.rarity([...batch.left.keys()][0] ?? index)}\n`
        seen += `${index} ${placement.rarityOf(batch)}\n`
        expect(batch.leftBytes).toBe([...batch.left.values()].reduce((sum, size) => sum + size, 0))
        expect(placement.permitsOf(id)?.allow(this.pieces.offset(index), this.pieces.offset(index + 1))).toBe(true)
        expect(this.over).not.toContain(batch)
      }
    }
    said += this.members.reduce(
      (sum, { placed }) => sum + [...placed.keys()].reduce((bytes, index) => bytes + (SIZES[index] ?? 0), 0),
      0
    )
    seen += placement.placedBytes
    if (seen !== said) expect(seen).toBe(said)
  }
}

describe('placement and a naive model', () => {
  it('agree after any sequence', () => {
    let placed = 0
    fc.assert(
      fc.property(fc.integer(), fc.array(step, { maxLength: 120, size: 'max' }), (seed, steps) => {
        const model = new Model(seed)
        for (const action of steps) {
          model.run(action)
          model.check()
        }
        placed += model.placed
        // everybody gone: nothing is left
        for (const member of model.members) model.placement.leave(member)
        expect(model.placement.placedBytes).toBe(0)
        for (const batch of model.over) expect(batch.left.size).toBe(0)
      }),
      { numRuns: 400 }
    )
    expect(placed).toBeGreaterThan(1000)
  })
})

describe('a piece that we gave and nobody else has', () => {
  it('has not spread from its taker until another has it or gets it', () => {
    const { placement, peer, placeAll } = setUp({ held: '11', peers: ['00', '00'] })
    placeAll([peer(1)])
    for (const piece of [0, 1]) Object.assign(placement.batchOf(1, piece) ?? {}, { askedAt: 0, startedAt: 0 })
    placement.gained(peer(1), [0, 1])
    expect(placement.unspread(1)).toBe(2)
    placement.promised(peer(2), [0], 0)
    expect(placement.unspread(1)).toBe(1)
    placement.gained(peer(2), [1])
    expect(placement.unspread(1)).toBe(0)
  })
})
