/** A seeder that loses some of its files goes on with the rest, and nobody holds it against it. */
import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../../src/base/random.ts'
import { KIB } from '../../../src/base/units.ts'
import { Bitfield } from '../../../src/content/bitfield.ts'
import { Swarm } from '../../../src/transfer/core/swarm.ts'
import type { Action, Input } from '../../../src/transfer/core/swarm-io.ts'
import { ALL, ask, Bench, NONE, only } from './bench.ts'
import { pieceMap, ROOT } from './mini-sim.ts'

type Who = 'seeder' | 'leecher'

/** Two that are connected, the messages of each brought to the other at once. */
function pair(sizes: readonly number[], held: Bitfield) {
  const pieces = pieceMap(sizes)
  const cores = {
    seeder: new Swarm({ root: ROOT, selfId: 'seeder', random: seededRandom(1) }),
    leecher: new Swarm({ root: ROOT, selfId: 'leecher', random: seededRandom(2) })
  }
  const uploads: Array<Extract<Action, { type: 'upload' }>> = []
  const ends: string[] = []
  const inputs: Array<[Who, Input]> = []
  let now = 0
  const handle = (who: Who, input: Input) => {
    const other = who === 'seeder' ? 'leecher' : 'seeder'
    const tell = (message: Extract<Input, { type: 'message' }>['message']) =>
      inputs.push([other, { type: 'message', session: 1, message }])
    for (const action of cores[who].handle(input, now)) {
      if (action.type === 'send') tell(action.message)
      if (action.type === 'request') tell({ ...action, type: 'request' })
      if (action.type === 'cancelRequest') tell({ type: 'cancel', id: action.id })
      if (action.type === 'upload') uploads.push(action)
      if (action.type === 'disconnect') ends.push(`${who}: ${action.code}: ${action.message}`)
      for (let piece = 0; action.type === 'verify' && piece < action.count; piece++) {
        inputs.push([who, { type: 'pieceVerified', piece: action.first + piece }])
      }
    }
  }
  const post = (who: Who, input: Input) => {
    inputs.push([who, input])
    for (let next = inputs.shift(); next !== undefined; next = inputs.shift()) handle(...next)
  }
  post('seeder', { type: 'manifestReady', pieces, nodeCount: 1, have: held })
  post('leecher', { type: 'manifestReady', pieces, nodeCount: 1, have: new Bitfield(sizes.length) })
  inputs.push(['seeder', { type: 'sessionOpened', session: 1, peerId: 'leecher', outbound: false }])
  // before either says hello
  post('leecher', { type: 'sessionOpened', session: 1, peerId: 'seeder', outbound: true })
  /** So many requests are answered, 2.6 ms each: 100 MB/s. */
  const run = (requests: number) => {
    let moved = 0
    for (let at = 1; at <= requests; at++) {
      now += 2.6
      const upload = uploads.shift()
      if (upload !== undefined) {
        moved += upload.length
        post('seeder', { type: 'uploadEnded', session: 1, id: upload.id, sentBytes: upload.length })
        post('leecher', { type: 'requestCompleted', session: 1, id: upload.id })
      }
      if (at % 96 !== 0) continue
      post('seeder', { type: 'tick', moved: [{ session: 1, down: 0, up: moved }] })
      post('leecher', { type: 'tick', moved: [{ session: 1, down: moved, up: 0 }] })
      moved = 0
    }
  }
  return { post, run, ends, have: () => cores.leecher.snapshot(now).have }
}

const firstHalf = (count: number) => Array.from({ length: count / 2 }, (_, piece) => piece)

describe('half of what a seeder has is lost', () => {
  it('ten thousand pieces are told in one message, and the session goes on', () => {
    const count = 20_000
    const { post, run, ends, have } = pair(new Array(count).fill(4 * KIB), Bitfield.full(count))
    post('seeder', { type: 'piecesLost', pieces: firstHalf(count) })
    run(1000)
    expect(ends).toEqual([])
    expect(have()).toBeGreaterThan(0)
  })

  it('while dozens of requests are under way: they count as one that it could not keep', () => {
    const count = 14_000
    const { post, run, ends, have } = pair(new Array(count).fill(64 * KIB), Bitfield.full(count))
    run(12 * 96)
    const before = have()
    expect(before).toBeGreaterThan(0)
    post('seeder', { type: 'piecesLost', pieces: firstHalf(count) })
    expect(ends).toEqual([])
    run(20 * 96)
    expect(ends).toEqual([])
    expect(have()).toBeGreaterThan(before)
  })
})

describe('a piece that could not be written', () => {
  /** On offer to peer 2 before its last block came, and asked for. */
  function offeredEarly(): Bench {
    const bench = new Bench('00')
    bench.openPlacer(1, ALL)
    bench.openPlacer(2, NONE)
    bench.say(2, { type: 'interested' })
    bench.offer(1, 0)
    expect(only(bench.completed(1, 1, 2, 3), '2: offer')).toEqual(['2: offer 0'])
    for (let block = 0; block < 4; block++) bench.say(2, ask(block + 1, block * 256 * KIB, 256 * KIB))
    expect(bench.completed(1, 4)).toContain('verify 0+1')
    return bench
  }

  it('is offered no more, and who asked for it is told, once', () => {
    const bench = offeredEarly()
    bench.do({ type: 'fetchPaused', paused: true })
    const actions = [...bench.do({ type: 'piecesLost', pieces: [0] }), ...bench.wait(60_000)]
    expect(only(actions, '2: reject').sort()).toEqual([1, 2, 3, 4].map(id => `2: reject ${id} notHeld`))
    expect(only(actions, '2: offer')).toEqual([])
  })
})

it('a piece that failed is taken from another that offers it, though it chokes us', () => {
  const bench = new Bench('0111')
  bench.openPlacer(1, ALL)
  bench.openPlacer(2, ALL)
  bench.offer(1, 0)
  bench.completed(1, 1, 2, 3, 4)
  expect(only(bench.do({ type: 'pieceFalse', piece: 0 }), 'ban')).toEqual(['ban peer1'])
  expect(only(bench.offer(2, 0), '2: request')).toHaveLength(1)
})

describe('a batch that waits for its turn', () => {
  it('goes on without a piece of it that was lost and that nobody asked for', () => {
    const bench = new Bench('11', {}, 200 * KIB)
    for (const session of [1, 2]) {
      bench.openPlacer(session, NONE)
      expect(only(bench.say(session, { type: 'interested' }), 'offer')).toEqual([`${session}: offer 0,1`])
    }
    expect(only(bench.say(1, ask(1, 0, 400 * KIB)), 'upload').length).toBe(1)
    expect(only(bench.say(2, ask(1, 0, 200 * KIB)), 'upload')).toEqual([])
    bench.do({ type: 'piecesLost', pieces: [1] })
    expect(only(bench.wait(500), '2: upload').length).toBe(1)
  })
})

it('what came and is gone when another storage is attached is told to nobody', () => {
  const bench = new Bench('00')
  bench.openPlacer(1, ALL)
  bench.openPlacer(2, NONE)
  bench.offer(1, 0)
  bench.completed(1, 1, 2, 3, 4)
  bench.do({ type: 'pieceVerified', piece: 0 })
  expect(bench.load('00')).toEqual(['1: haveBitfield none', '2: haveBitfield none'])
  expect(only(bench.wait(250), 'have')).toEqual([])
})
