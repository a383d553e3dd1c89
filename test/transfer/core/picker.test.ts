/**
 * States are strings, a digit or letter a piece, as in libtorrent's picker tests: `have` of us and of each peer as 0 and 1,
 * states as h (have), v (verifying), p (in progress), . (not started).
 */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../../src/base/random.ts'
import { KIB, MIB } from '../../../src/base/units.ts'
import type { Block } from '../../../src/transfer/core/assembly.ts'
import type { Giver } from '../../../src/transfer/core/giver.ts'
import { Picker } from '../../../src/transfer/core/picker.ts'
import { PieceSet } from '../../../src/transfer/core/piece-set.ts'
import { cpuMs } from '../../helpers/cpu-time.ts'
import { pieceMap } from './mini-sim.ts'

function set(digits: string): PieceSet {
  const pieces = new PieceSet(digits.length)
  for (const [piece, digit] of [...digits].entries()) if (digit === '1') pieces.add(piece)
  return pieces
}

class Peer implements Giver {
  readonly id: number
  readonly peerId: string
  readonly have: PieceSet
  countsAsSeeder: boolean
  peerChoking = false
  places = false
  snubbed = false
  offeredQueue: number[] = []
  offered = new Set<number>()
  ms = 100

  constructor(id: number, have: string) {
    this.id = id
    this.peerId = `peer${id}`
    this.have = set(have)
    this.countsAsSeeder = this.have.isFull
  }

  mayBeAsked(): boolean {
    return true
  }

  expectedMs(): number {
    return this.ms
  }
}

function setUp(init: { have: string; peers: string[]; size?: number; sizes?: number[]; seed?: number }) {
  const pieces = pieceMap(init.sizes ?? [...init.have].map(() => init.size ?? MIB))
  const picker = new Picker(pieces, set(init.have), seededRandom(init.seed ?? 1))
  const peers = init.peers.map((have, i) => new Peer(i + 1, have))
  for (const peer of peers) picker.join(peer)
  const ask = (peer: Peer | undefined): Block | undefined => {
    const block = peer === undefined ? undefined : picker.pick(peer, 0)
    if (block !== undefined && peer !== undefined) picker.asked(block, peer.id)
    return block
  }
  const states = () =>
    [...init.have]
      .map((_, i) => ({ have: 'h', verifying: 'v', inProgress: 'p', notStarted: '.' })[picker.stateOf(i)])
      .join('')
  const availability = () => [...init.have].map((_, i) => picker.availability.count(i)).join('')
  return { picker, pieces, peers, ask, states, availability }
}

const first = (block: Block | undefined) => block?.assembly.first

describe('the picker', () => {
  it('counts who has what, seeders left out', () => {
    const { availability, picker, peers } = setUp({ have: '00000', peers: ['11000', '10100', '11111'] })
    expect(availability()).toBe('21100')
    const [gone] = peers
    if (gone !== undefined) picker.leave(gone)
    expect(availability()).toBe('10100')
  })

  it.each([
    ['the rarest of what the peer has', '1111000', ['0000111', '0000110', '0000100'], 6],
    ['the rarest of what a seeder has', '1111000', ['1111111', '0000101', '0000111', '0000101'], 5],
    ['never what is held', '1111110', ['1111111'], 6]
  ])('picks %s', (_, have, peers, expected) => {
    for (let seed = 0; seed < 20; seed++) {
      const { ask, peers: all, picker } = setUp({ have, peers, seed })
      const rarest = Math.min(...[4, 5, 6].filter(i => !picker.have.has(i)).map(i => picker.availability.count(i)))
      const piece = first(ask(all[0])) ?? -1
      expect(picker.availability.count(piece)).toBe(rarest)
      expect(piece).toBe(expected)
    }
  })

  it('picks at random at first', () => {
    const picked = new Set<number | undefined>()
    for (let seed = 0; seed < 60; seed++) {
      const { ask, peers } = setUp({ have: '000000', peers: ['111111', '011111', '011111'], seed })
      picked.add(first(ask(peers[0])))
    }
    expect(picked.size).toBe(6)
  })

  it('finishes a piece with the peer that began it, while others begin their own', () => {
    const { ask, peers, states } = setUp({ have: '1111000', peers: ['1111111', '1111111'] })
    const a = ask(peers[0])
    const b = ask(peers[1])
    expect(first(a)).not.toBe(first(b))
    for (let i = 1; i < 4; i++) {
      expect(first(ask(peers[0]))).toBe(first(a))
      expect(first(ask(peers[1]))).toBe(first(b))
    }
    expect(states().split('p').length - 1).toBe(2)
    expect(first(ask(peers[0]))).not.toBe(first(a))
  })

  it('goes on with a piece whose peer left', () => {
    const { ask, peers, picker } = setUp({ have: '11110000', peers: ['11111111', '11111111'] })
    const block = ask(peers[0])
    const [a] = peers
    if (block === undefined || a === undefined) throw new Error('nothing was picked')
    picker.given(block, a)
    picker.leave(a)
    const next = ask(peers[1])
    expect(next?.assembly).toBe(block.assembly)
    expect(next).not.toBe(block)
  })

  it('forgets a piece of which nothing came', () => {
    const { ask, peers, picker, states } = setUp({ have: '1111000', peers: ['1111111'] })
    const block = ask(peers[0])
    if (block === undefined) throw new Error('nothing was picked')
    picker.released(block, 1)
    expect(states()).toBe('hhhh...')
    expect(picker.availability.pickable.count).toBe(3)
  })

  it('takes up what two were asked for who both fail', () => {
    const { ask, peers, picker } = setUp({ have: '11110', peers: ['11111', '11111', '11111'] })
    const [a, b, c] = peers
    if (a === undefined || b === undefined || c === undefined) throw new Error('no peers')
    const blocks = [ask(a), ask(a), ask(a), ask(a)]
    const last = blocks.at(-1)
    for (const block of blocks.slice(0, -1)) if (block !== undefined) picker.given(block, a)
    if (last === undefined) throw new Error('nothing was picked')
    last.assembly.helped = true
    b.places = true
    b.offeredQueue.push(4)
    expect(ask(b)).toBe(last)
    picker.released(last, a.id)
    picker.released(last, b.id)
    c.places = true
    c.offeredQueue.push(4)
    expect(picker.isOpen(4, c, 0)).toBe(true)
    expect(ask(c)).toBe(last)
  })

  it('takes up what another has begun and can no longer give', () => {
    const { ask, peers, picker } = setUp({ have: '11110', peers: ['11111', '11111'] })
    const [a, b] = peers
    const block = ask(a)
    if (a === undefined || b === undefined || block === undefined) throw new Error('nothing was picked')
    picker.given(block, a)
    b.places = true
    b.offeredQueue.push(4)
    expect(picker.isOpen(4, b, 0)).toBe(false)
    a.have.delete(4)
    expect(picker.isOpen(4, b, 0)).toBe(true)
    expect(ask(b)?.assembly).toBe(block.assembly)
    expect(block.assembly.owner).toBe(b.id)
  })

  it('asks for small pieces in runs, to both sides of the one it picked', () => {
    const have = `${'1'.repeat(50)}${'0'.repeat(200)}`
    const { ask, peers } = setUp({ have, peers: ['1'.repeat(250)], size: 4 * KIB })
    const lengths: number[] = []
    for (let block = ask(peers[0]); block !== undefined; block = ask(peers[0])) lengths.push(block.length)
    expect(lengths.reduce((sum, length) => sum + length, 0)).toBe(200 * 4 * KIB)
    expect(lengths.length).toBeLessThanOrEqual(6)
    expect(Math.max(...lengths)).toBe(256 * KIB)
  })

  it('takes only what the peer has into a run', () => {
    const { ask, peers } = setUp({ have: '1111000000', peers: ['1111011010'], size: 4 * KIB })
    const runs: string[] = []
    for (let block = ask(peers[0]); block !== undefined; block = ask(peers[0])) {
      runs.push(`${block.assembly.first}+${block.assembly.count}`)
    }
    expect(runs.sort()).toEqual(['5+2', '8+1'])
  })

  it('does not split off an envelope', () => {
    const { ask, peers } = setUp({ have: '11110', peers: ['11111'], size: 256 * KIB + 14 })
    expect(ask(peers[0])?.length).toBe(256 * KIB + 14)
  })

  it('prefers what was offered, and asks a choking peer for nothing else', () => {
    const { ask, peers } = setUp({ have: '11110000', peers: ['11111111'], size: 100 * KIB })
    const [peer] = peers
    if (peer === undefined) throw new Error('no peer')
    peer.offeredQueue = [6]
    peer.offered = new Set([6])
    peer.peerChoking = true
    expect(first(ask(peer))).toBe(6)
    expect(ask(peer)).toBeUndefined()
  })

  it('gives a reader its range first, in order', () => {
    const { ask, peers, picker } = setUp({ have: '1111000000', peers: ['1111111111', '1111111111'] })
    picker.prioritise([{ first: 6, end: 8 }], false)
    const order = Array.from({ length: 9 }, (_, i) => first(ask(peers[i % 2])))
    expect(order.slice(0, 8)).toEqual([6, 6, 6, 6, 7, 7, 7, 7])
    expect([4, 5, 8, 9]).toContain(order[8])
  })

  it('wants nothing else when told so', () => {
    const { ask, peers, picker } = setUp({ have: '0000', peers: ['1111'], size: 300 * KIB })
    picker.prioritise([{ first: 1, end: 2 }], true)
    expect(picker.missing.count).toBe(1)
    expect(first(ask(peers[0]))).toBe(1)
    expect(ask(peers[0])).toBeUndefined()
  })

  it('in the endgame asks a second peer for what a much slower one owes, and says whom to stop', () => {
    const { ask, peers, picker, states } = setUp({ have: '11110', peers: ['11111', '11111', '11111'], size: 256 * KIB })
    const [slow, fast, third] = peers
    if (slow === undefined || fast === undefined || third === undefined) throw new Error('no peers')
    const block = ask(slow)
    expect(ask(fast)).toBeUndefined()
    slow.ms = 5000
    expect(ask(fast)).toBe(block)
    fast.ms = 5000
    expect(ask(third)).toBeUndefined()
    if (block === undefined) throw new Error('nothing was picked')
    const { others, whole } = picker.given(block, fast)
    expect(others).toEqual([slow.id])
    expect(whole?.first).toBe(4)
    expect(states()).toBe('hhhhv')
  })

  it('asks others for what a snubbed peer owes', () => {
    const { ask, peers, picker } = setUp({ have: '1111000', peers: ['1111001', '1111111'], size: 256 * KIB })
    const [lazy, other] = peers
    if (lazy === undefined || other === undefined) throw new Error('no peers')
    const block = ask(lazy)
    lazy.snubbed = true
    picker.snubChanged(lazy)
    const asked = [ask(other), ask(other), ask(other)]
    expect(asked).toContain(block)
    expect(asked.map(first).sort()).toEqual([4, 5, 6])
  })

  it('fetches a piece that failed from one peer alone, the suspects last', () => {
    const { ask, peers, picker, states } = setUp({ have: '11110', peers: ['11111', '11111', '11110'] })
    const [a, b] = peers
    if (a === undefined || b === undefined) throw new Error('no peers')
    for (let i = 0; i < 4; i++) {
      const giver = i === 0 ? b : a
      const block = i === 0 ? picker.pick(b, 0) : picker.pick(a, 0)
      if (block === undefined) throw new Error('nothing was picked')
      picker.asked(block, giver.id)
      picker.given(block, giver)
    }
    expect(states()).toBe('hhhhv')
    expect([...(picker.failed(4) ?? [])].sort()).toEqual(['peer1', 'peer2'])
    const c = new Peer(9, '11111')
    picker.join(c)
    expect(ask(a)).toBeUndefined()
    const block = ask(c)
    expect(block?.length).toBe(MIB)
    expect(ask(b)).toBeUndefined()
    if (block !== undefined) picker.released(block, c.id)
    picker.leave(c)
    expect(ask(a)?.length).toBe(MIB)
  })

  it('is fast: 64 peers, 100,000 pieces', () => {
    const count = 100_000
    const random = seededRandom(5)
    const pieces = pieceMap(Array<number>(count).fill(MIB))
    const picker = new Picker(pieces, set('1111'.padEnd(count, '0')), random)
    const peers = Array.from({ length: 64 }, (_, i) => {
      const peer = new Peer(i + 1, '0'.repeat(count))
      // the first hold little and the last much, so that many have none of the rarest
      for (let n = 0; n < (i + 1) * 1000; n++) peer.have.add(random.below(count))
      return peer
    })
    const joinBegan = cpuMs()
    for (const peer of peers) picker.join(peer)
    const pickBegan = cpuMs()
    let picks = 0
    for (let round = 0; round < 300; round++) {
      for (const peer of peers) {
        const block = picker.pick(peer, 0)
        if (block === undefined) continue
        picks += 1
        picker.asked(block, peer.id)
      }
    }
    const perPick = ((cpuMs() - pickBegan) * 1000) / picks
    console.log(`64 × 100,000: ${perPick.toFixed(1)} µs a pick, ${(pickBegan - joinBegan).toFixed(0)} ms to join`)
    expect(picks).toBeGreaterThan(15_000)
    expect(perPick).toBeLessThan(500)
  })
})

// the naive model: arrays, and everything looked at every time

type Step =
  | { do: 'join'; have: boolean[] }
  | { do: 'leave' | 'pick' | 'choke' | 'snub'; peer: number }
  | { do: 'give' | 'reject'; nth: number }
  | { do: 'verdict'; nth: number; good: boolean }
  | { do: 'gain'; peer: number; piece: number }
  | { do: 'lose'; piece: number }
  | { do: 'want'; first: number; count: number; only: boolean }

const SIZES = [MIB, 4096, 4096, 100, 0, 300_000, 600_000, 4096, 4096, 2 * MIB, 70_000, 4096]
const COUNT = SIZES.length
const index = fc.nat(COUNT - 1)
const n = fc.nat(30)
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ do: fc.constant('join' as const), have: fc.array(fc.boolean(), { minLength: COUNT, maxLength: COUNT }) }),
  { weight: 6, arbitrary: fc.record({ do: fc.constant('pick' as const), peer: n }) },
  fc.record({ do: fc.constantFrom('leave' as const, 'choke' as const, 'snub' as const), peer: n }),
  { weight: 4, arbitrary: fc.record({ do: fc.constant('give' as const), nth: n }) },
  fc.record({ do: fc.constant('reject' as const), nth: n }),
  { weight: 2, arbitrary: fc.record({ do: fc.constant('verdict' as const), nth: n, good: fc.boolean() }) },
  fc.record({ do: fc.constant('gain' as const), peer: n, piece: index }),
  fc.record({ do: fc.constant('lose' as const), piece: index }),
  fc.record({ do: fc.constant('want' as const), first: index, count: n, only: fc.boolean() })
)

type State = 'have' | 'verifying' | 'inProgress' | 'notStarted'

class Model {
  readonly pieces = pieceMap(SIZES)
  readonly picker = new Picker(this.pieces, new PieceSet(COUNT), seededRandom(9))
  readonly state: State[] = SIZES.map(() => 'notStarted')
  readonly solo = new Set<number>()
  wanted = SIZES.map(() => true)
  peers: Peer[] = []
  asked: Array<{ peer: Peer; block: Block }> = []
  verifying: number[] = []
  #nextId = 1

  run(action: Step): void {
    const peer = 'peer' in action ? this.peers[action.peer % Math.max(1, this.peers.length)] : undefined
    switch (action.do) {
      case 'join': {
        const joined = new Peer(this.#nextId++, action.have.map(Number).join(''))
        this.peers.push(joined)
        this.picker.join(joined)
        return
      }
      case 'pick':
        if (peer !== undefined) this.pick(peer)
        return
      case 'leave':
        if (peer === undefined) return
        for (const request of this.asked.filter(other => other.peer === peer)) this.release(request)
        this.peers = this.peers.filter(other => other !== peer)
        this.picker.leave(peer)
        return
      case 'choke':
        if (peer !== undefined) peer.peerChoking = !peer.peerChoking
        return
      case 'snub':
        if (peer === undefined) return
        peer.snubbed = !peer.snubbed
        this.picker.snubChanged(peer)
        return
      case 'give': {
        const request = this.asked[action.nth % Math.max(1, this.asked.length)]
        if (request !== undefined) this.give(request)
        return
      }
      case 'reject': {
        const request = this.asked[action.nth % Math.max(1, this.asked.length)]
        if (request !== undefined) this.release(request)
        return
      }
      case 'verdict': {
        const [piece] = this.verifying.splice(action.nth % Math.max(1, this.verifying.length), 1)
        if (piece === undefined) return
        if (action.good) {
          this.state[piece] = 'have'
          this.solo.delete(piece)
          this.picker.verified(piece)
        } else if (this.picker.failed(piece) !== undefined) {
          this.state[piece] = 'notStarted'
          this.solo.add(piece)
        }
        return
      }
      case 'gain':
        if (peer?.have.add(action.piece) === true) this.picker.availability.increment(action.piece)
        return
      case 'lose':
        if (this.state[action.piece] !== 'have') return
        this.state[action.piece] = 'notStarted'
        this.picker.lost(action.piece)
        return
      case 'want': {
        const range = { first: action.first, end: Math.min(COUNT, action.first + action.count) }
        this.wanted = SIZES.map((_, piece) => !action.only || (piece >= range.first && piece < range.end))
        this.picker.prioritise([range], action.only)
      }
    }
  }

  pick(peer: Peer): void {
    const before = this.state.slice()
    const block = this.picker.pick(peer, 0)
    if (block === undefined) return
    const { assembly } = block
    expect(block.asked).not.toContain(peer.id)
    expect(block.givenBy).toBeUndefined()
    expect(peer.peerChoking).toBe(false)
    for (let piece = assembly.first; piece < assembly.first + assembly.count; piece++) {
      expect(peer.have.has(piece)).toBe(true)
      expect(['notStarted', 'inProgress']).toContain(before[piece])
      if (before[piece] === 'notStarted') expect(this.wanted[piece]).toBe(true)
      this.state[piece] = 'inProgress'
    }
    if (assembly.solo) expect(assembly.count).toBe(1)
    this.picker.asked(block, peer.id)
    this.asked.push({ peer, block })
  }

  give(request: { peer: Peer; block: Block }): void {
    const { others, whole } = this.picker.given(request.block, request.peer)
    const gone = this.asked.filter(other => other.block === request.block)
    expect(others.sort()).toEqual(
      gone
        .filter(other => other.peer !== request.peer)
        .map(other => other.peer.id)
        .sort()
    )
    this.asked = this.asked.filter(other => other.block !== request.block)
    if (whole === undefined) return
    for (let piece = whole.first; piece < whole.first + whole.count; piece++) {
      this.state[piece] = 'verifying'
      this.verifying.push(piece)
    }
  }

  release(request: { peer: Peer; block: Block }): void {
    const { assembly } = request.block
    this.asked = this.asked.filter(other => other !== request)
    this.picker.released(request.block, request.peer.id)
    const alive = this.asked.some(other => other.block.assembly === assembly) || assembly.blocks.some(b => b.givenBy)
    if (alive) return
    for (let piece = assembly.first; piece < assembly.first + assembly.count; piece++) this.state[piece] = 'notStarted'
  }

  /** All that can be seen of the picker, and what the model says of it, as text: cheap to compare. */
  check(): void {
    const { availability, missing } = this.picker
    let seen = ''
    let said = ''
    for (let piece = 0; piece < COUNT; piece++) {
      const lacks = this.wanted[piece] === true && this.state[piece] !== 'have'
      const pickable = lacks && this.state[piece] === 'notStarted' && !this.solo.has(piece) && SIZES[piece] !== 0
      const holders = this.peers.filter(peer => !peer.countsAsSeeder && peer.have.has(piece)).length
      said += `${piece}: ${this.state[piece]} ${lacks} ${pickable} ${holders}\n`
      seen += `${piece}: ${this.picker.stateOf(piece)} ${missing.has(piece)} ${availability.pickable.has(piece)} ${availability.count(piece)}\n`
    }
    if (seen !== said) expect(seen).toBe(said)
  }
}

describe('the picker and a naive model', () => {
  it('agree after any sequence', () => {
    let verdicts = 0
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200, size: 'max' }), steps => {
        const model = new Model()
        for (const action of steps) {
          model.run(action)
          model.check()
          if (action.do === 'verdict') verdicts += 1
        }
      }),
      { numRuns: 300 }
    )
    expect(verdicts).toBeGreaterThan(500)
  })
})
