/** Whatever peers and the runner say, in any order: no exception, no action out of range, no action for a session that is over. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../../src/base/random.ts'
import { Bitfield } from '../../../src/content/bitfield.ts'
import { Swarm } from '../../../src/transfer/core/swarm.ts'
import type { Action, Input } from '../../../src/transfer/core/swarm-io.ts'
import * as limits from '../../../src/transfer/protocol/limits.ts'
import { FEATURE_PLACES, type Message } from '../../../src/transfer/protocol/messages.ts'
import { arbitraryMessage } from '../protocol/arbitrary-message.ts'
import { pieceMap, ROOT } from './mini-sim.ts'

const SIZES = [300_000, 5000, 4000, 0, 1_048_576, 2_097_152, 100, 100, 100, 262_144, 262_145, 1_000_000]
const PIECES = pieceMap(SIZES)
const SESSIONS = 4

const session = fc.integer({ min: 1, max: SESSIONS })
const piece = fc.nat(SIZES.length - 1)
const run = fc.tuple(piece, piece).map(([a, b]) => ({ first: Math.min(a, b), count: Math.abs(a - b) + 1 }))
const have = fc.oneof(
  fc.constant({ kind: 'all' as const }),
  fc.constant({ kind: 'none' as const }),
  fc.array(piece).map(pieces => {
    const field = new Bitfield(SIZES.length)
    for (const index of pieces) field.add(index)
    return { kind: 'bitfield' as const, bytes: field.bytes }
  })
)

const hello: fc.Arbitrary<Message> = fc.record({
  type: fc.constant('hello' as const),
  root: fc.constant(ROOT),
  features: fc.constantFrom(0, FEATURE_PLACES),
  manifest: fc.constant(true),
  have,
  maxRequests: fc.integer({ min: 1, max: 20 }),
  maxRequestBytes: fc.integer({ min: limits.MIN_REQUEST_BYTES_IN_FLIGHT, max: 4_000_000 })
})

/** Messages that fit the root: more of the rules are reached by them than by arbitrary ones. */
const fitting: fc.Arbitrary<Message> = fc.oneof(
  fc.record({ type: fc.constant('haveBitfield' as const), have }),
  fc.record({
    type: fc.constant('have' as const),
    runs: fc.array(run, { maxLength: 3 }),
    coming: fc.array(piece, { maxLength: 3 })
  }),
  fc.record({ type: fc.constant('lost' as const), runs: fc.array(run, { maxLength: 3 }) }),
  fc.record({ type: fc.constantFrom('interested' as const, 'notInterested' as const) }),
  fc.record({ type: fc.constantFrom('choke' as const, 'unchoke' as const, 'unchoke' as const) }),
  fc.record({
    type: fc.constantFrom(...(['offer', 'suggest', 'arriving'] as const)),
    pieces: fc.array(piece, { maxLength: 5 })
  }),
  fc.record({
    type: fc.constant('decline' as const),
    pieces: fc.array(piece, { maxLength: 5 }),
    busy: fc.boolean()
  }),
  fc.record({
    type: fc.constant('want' as const),
    urgent: fc.array(run, { maxLength: 2 }),
    ahead: fc.array(run, { maxLength: 2 }),
    only: fc.boolean()
  }),
  fc.record({
    type: fc.constant('request' as const),
    id: fc.nat(20),
    offset: fc.nat(PIECES.byteLength),
    length: fc.integer({ min: 1, max: limits.MAX_REQUEST_BYTES })
  }),
  fc.record({ type: fc.constant('cancel' as const), id: fc.nat(20) }),
  fc.record({
    type: fc.constant('reject' as const),
    id: fc.nat(30),
    code: fc.constantFrom('choked' as const, 'notHeld' as const, 'busy' as const)
  }),
  fc.record({ type: fc.constant('nodeRequest' as const), first: fc.nat(5), count: fc.integer({ min: 1, max: 10 }) })
)

type Step =
  | { do: 'message'; session: number; message: Message }
  | { do: 'open'; peer: number; outbound: boolean; hello?: Message | undefined }
  | { do: 'close'; session: number }
  | { do: 'complete' | 'answer'; nth: number; good: boolean }
  | { do: 'input'; input: Input }
  | { do: 'load'; held: number[] }
  | { do: 'wait'; ms: number }

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ do: fc.constant('message' as const), session, message: fitting }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('message' as const), session, message: arbitraryMessage }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('open' as const),
      peer: fc.nat(5),
      outbound: fc.boolean(),
      hello: fc.option(hello, { nil: undefined })
    })
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('close' as const), session }) },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constantFrom('complete' as const, 'answer' as const),
      nth: fc.nat(50),
      good: fc.boolean()
    })
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('load' as const), held: fc.array(piece) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 30_000 }) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('input' as const),
      input: fc.oneof(
        fc.record({
          type: fc.constantFrom('pieceVerified' as const, 'pieceFalse' as const),
          piece
        }),
        fc.record({ type: fc.constant('piecesLost' as const), pieces: fc.array(piece, { maxLength: 5 }) }),
        fc.record({ type: fc.constant('fetchPaused' as const), paused: fc.boolean() }),
        fc.record({
          type: fc.constant('prioritiesSet' as const),
          ranges: fc.array(fc.record({ offset: fc.nat(PIECES.byteLength), length: fc.nat(3_000_000) }), {
            maxLength: 3
          }),
          onlyThese: fc.boolean()
        }),
        fc.record({ type: fc.constant('nodesFalse' as const), session }),
        fc.record({ type: fc.constant('dialFailed' as const), peerId: fc.constantFrom('p1', 'p2') })
      )
    })
  }
)

/** Plays the runner, and checks each action against what is open. */
class Checker {
  readonly swarm = new Swarm({ root: ROOT, selfId: 'p3', random: seededRandom(1) })
  readonly open = new Map<number, string>()
  readonly requests: Array<{ session: number; id: number; offset: number; length: number }> = []
  readonly verifying: number[] = []
  requestsMade = 0
  verified = 0
  now = 0
  loaded = false
  #next = 1

  play(action: Step): void {
    const sessions = [...this.open.keys()]
    switch (action.do) {
      case 'message': {
        const id = sessions[action.session % Math.max(1, sessions.length)]
        if (id === undefined) return
        const { message } = action
        if (message.type === 'reject') {
          const at = this.requests.findIndex(request => request.session === id && request.id === message.id)
          if (at >= 0) this.requests.splice(at, 1)
        }
        if (message.type === 'goodbye') this.closed(id)
        this.handle({ type: 'message', session: id, message })
        return
      }
      case 'open': {
        const id = this.#next++
        this.open.set(id, `p${action.peer}`)
        this.handle({ type: 'sessionOpened', session: id, peerId: `p${action.peer}`, outbound: action.outbound })
        if (action.hello !== undefined && this.open.has(id)) {
          this.handle({ type: 'message', session: id, message: action.hello })
        }
        return
      }
      case 'close': {
        const id = sessions[action.session % Math.max(1, sessions.length)]
        if (id === undefined) return
        this.closed(id)
        this.handle({ type: 'sessionClosed', session: id })
        return
      }
      case 'complete': {
        const [request] = this.requests.splice(action.nth % Math.max(1, this.requests.length), 1)
        if (request !== undefined) {
          this.handle({ type: 'requestCompleted', session: request.session, id: request.id })
        }
        return
      }
      case 'answer': {
        const [index] = this.verifying.splice(action.nth % Math.max(1, this.verifying.length), 1)
        this.verified += Number(index !== undefined && action.good)
        if (index !== undefined) this.handle({ type: action.good ? 'pieceVerified' : 'pieceFalse', piece: index })
        return
      }
      case 'load': {
        const field = new Bitfield(SIZES.length)
        for (const index of action.held) field.add(index)
        this.loaded = true
        this.handle({ type: 'manifestReady', pieces: PIECES, nodeCount: 4, have: field })
        return
      }
      case 'wait':
        this.now += action.ms
        this.handle({ type: 'tick', moved: sessions.map(id => ({ session: id, down: id % 2, up: 0 })) })
        return
      case 'input':
        this.handle(action.input)
    }
  }

  handle(input: Input): void {
    for (const action of this.swarm.handle(input, this.now)) this.check(action)
    const snapshot = this.swarm.snapshot(this.now)
    expect(snapshot.sessions.map(s => s.session).sort()).toEqual([...this.open.keys()].sort())
    for (const s of snapshot.sessions) {
      const mine = this.requests.filter(request => request.session === s.session)
      expect(s.inFlightBytes).toBe(mine.reduce((sum, request) => sum + request.length, 0))
    }
  }

  check(action: Action): void {
    if ('session' in action)
      expect(this.open.has(action.session), `${action.type} for a session that is over`).toBe(true)
    switch (action.type) {
      case 'request': {
        expect(this.loaded).toBe(true)
        expect(action.length).toBeGreaterThan(0)
        expect(action.length).toBeLessThanOrEqual(limits.MAX_REQUEST_BYTES)
        expect(action.offset + action.length).toBeLessThanOrEqual(PIECES.byteLength)
        expect(this.requests.some(r => r.session === action.session && r.id === action.id)).toBe(false)
        this.requests.push({ ...action })
        this.requestsMade += 1
        return
      }
      case 'cancelRequest': {
        const at = this.requests.findIndex(r => r.session === action.session && r.id === action.id)
        expect(at).toBeGreaterThanOrEqual(0)
        this.requests.splice(at, 1)
        return
      }
      case 'verify':
        for (let index = action.first; index < action.first + action.count; index++) {
          expect(PIECES.index(index)).toBeDefined()
          this.verifying.push(index)
        }
        return
      case 'upload':
        expect(action.offset + action.length).toBeLessThanOrEqual(PIECES.byteLength)
        return
      case 'sendNodes':
        expect(action.first + action.count).toBeLessThanOrEqual(4)
        return
      case 'disconnect':
        this.closed(action.session)
        return
      case 'ban':
        for (const [id, peerId] of [...this.open]) if (peerId === action.peerId) this.closed(id)
        return
      case 'dial':
        expect(action.peer.id).not.toBe('p3')
    }
  }

  closed(id: number): void {
    this.open.delete(id)
    for (let at = this.requests.length - 1; at >= 0; at--)
      if (this.requests[at]?.session === id) this.requests.splice(at, 1)
  }
}

describe('the swarm', () => {
  it('stands any sequence of messages and events', () => {
    let requests = 0
    let verified = 0
    fc.assert(
      fc.property(
        fc.array(hello, { maxLength: 4 }),
        fc.array(step, { maxLength: 150, size: 'max' }),
        (hellos, steps) => {
          const checker = new Checker()
          if (hellos.length > 1) checker.play({ do: 'load', held: [1] })
          for (const [peer, message] of hellos.entries()) {
            checker.play({ do: 'open', peer, outbound: true })
            checker.handle({ type: 'message', session: peer + 1, message })
          }
          for (const action of steps) checker.play(action)
          requests += checker.requestsMade
          verified += checker.verified
        }
      ),
      { numRuns: 600 }
    )
    // the sequences reach the depths: otherwise this shows nothing
    expect(requests).toBeGreaterThan(500)
    expect(verified).toBeGreaterThan(300)
  })
})
