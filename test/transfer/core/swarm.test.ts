/** The rules of the protocol, one exchange at a time: docs/protocol.md. */
import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../../src/base/random.ts'
import { MIB, SECOND_MS } from '../../../src/base/units.ts'
import { affinity } from '../../../src/transfer/core/affinity.ts'
import { Swarm } from '../../../src/transfer/core/swarm.ts'
import type { Input } from '../../../src/transfer/core/swarm-io.ts'
import type { Message } from '../../../src/transfer/protocol/messages.ts'
import { ALL, ask, Bench, bits, hello, NONE, only } from './bench.ts'
import { ROOT } from './mini-sim.ts'

describe('hello', () => {
  it('is sent at once, and says what is held', () => {
    expect(new Bench('1111').open(1)).toEqual(['1: hello all'])
    expect(new Bench('0000').open(1)).toEqual(['1: hello none'])
    expect(new Bench('0100').open(1)).toEqual(['1: hello bitfield'])
    expect(new Bench().open(1)).toEqual(['1: hello none'])
  })

  it.each<[string, Message[], string]>([
    ['comes first', [{ type: 'interested' }], '1: disconnect protocol'],
    ['comes once', [hello(ALL), hello(ALL)], '1: disconnect protocol'],
    ['names the root', [hello(ALL, { root: Uint8Array.of(1) })], '1: disconnect protocol'],
    ['has no pieces without a manifest', [hello(ALL, { manifest: false })], '1: disconnect protocol'],
    ['has a bitfield that fits', [hello({ kind: 'bitfield', bytes: new Uint8Array(2) })], '1: disconnect protocol'],
    ['has no spare bits', [hello({ kind: 'bitfield', bytes: Uint8Array.of(1) })], '1: disconnect protocol']
  ])('%s', (_, messages, expected) => {
    const bench = new Bench('0000')
    bench.open(1)
    let last: string[] = []
    for (const message of messages) last = bench.say(1, message)
    expect(last).toContain(expected)
    expect(bench.say(1, { type: 'interested' })).toEqual([])
  })
})

describe('haves', () => {
  it('are told anew before anything is asked for, also where another session ends for that', () => {
    const bench = new Bench('0000')
    bench.open(1, ALL)
    for (let at = 0; at < 3; at++) bench.load('0000')
    bench.open(2, ALL)
    bench.say(2, { type: 'unchoke' })
    for (let at = 3; at < 16; at++) bench.load('0000')
    const actions = bench.load('0000')
    expect(only(actions, '1: ')).toEqual(['1: disconnect stopping'])
    const [first] = only(actions, '2: ').filter(action => !action.includes('cancelRequest'))
    expect(first).toBe('2: haveBitfield none')
    expect(only(actions, '2: request')).not.toEqual([])
  })

  it('are told before what comes, also where the manifest ends the session of one that lied', () => {
    const bench = new Bench()
    bench.open(1, ALL)
    bench.say(1, { type: 'unchoke' })
    bench.open(2, { kind: 'bitfield', bytes: new Uint8Array(9) })
    bench.openPlacer(3, NONE)
    const actions = bench.load('0000')
    expect(only(actions, '2: disconnect')).toEqual(['2: disconnect protocol'])
    expect(only(actions, '3: ')[0]).toBe('3: haveBitfield none')
    expect(only(actions, '3: have coming')).toHaveLength(1)
  })

  it('beyond the root end the session', () => {
    const bench = new Bench('0000')
    bench.open(1, NONE)
    expect(bench.say(1, { type: 'have', runs: [{ first: 3, count: 2 }], coming: [] })).toContain(
      '1: disconnect protocol'
    )
    bench.open(2, NONE)
    expect(bench.say(2, { type: 'have', runs: Array(9).fill({ first: 0, count: 1 }), coming: [] })).toContain(
      '2: disconnect protocol'
    )
  })

  it('make us interested, and no longer when lost', () => {
    const bench = new Bench('1110')
    expect(only(bench.open(1, bits('1110')), 'nterested')).toEqual([])
    expect(bench.say(1, { type: 'have', runs: [{ first: 3, count: 1 }], coming: [] })).toEqual(['1: interested'])
    expect(bench.say(1, { type: 'lost', runs: [{ first: 3, count: 1 }] })).toEqual([])
    expect(bench.tick()).toContain('1: notInterested')
  })

  it('of ours are told together', () => {
    const bench = new Bench('0000')
    bench.open(1, ALL)
    for (const piece of [0, 1, 3]) bench.do({ type: 'pieceVerified', piece })
    expect(only(bench.tick(), 'have')).toEqual(['1: have 0+2,3+1'])
  })

  it('are told anew sixteen times in a session, as more would be a flood, and then in the next', () => {
    const bench = new Bench('1000')
    bench.do({ type: 'peersFound', peers: [{ id: 'peer1', addrs: [], seeder: false }] })
    bench.open(1, NONE)
    for (let at = 1; at <= 16; at++) expect(bench.load('1100')).toContain('1: haveBitfield bitfield')
    expect(bench.load('1110')).toEqual(['1: disconnect stopping'])
    expect(only(bench.wait(4 * SECOND_MS), 'dial')).toEqual(['dial peer1'])
    expect(bench.open(2)).toContain('2: hello bitfield')
  })

  it('that came before the manifest count after it', () => {
    const bench = new Bench()
    bench.open(1, bits('0001'))
    bench.say(1, { type: 'unchoke' })
    bench.say(1, { type: 'have', runs: [{ first: 1, count: 1 }], coming: [] })
    bench.say(1, { type: 'lost', runs: [{ first: 3, count: 1 }] })
    const actions = bench.load('0000')
    expect(actions.slice(0, 2)).toEqual(['1: haveBitfield none', '1: interested'])
    expect(only(actions, 'request').every(action => action.startsWith('1: request 1'))).toBe(true)
    expect(only(actions, 'request').length).toBe(4)
  })
})

describe('a leecher', () => {
  it('asks when it is unchoked, verifies, completes once', () => {
    const bench = new Bench('1110')
    bench.open(1, ALL)
    const requests = bench.say(1, { type: 'unchoke' })
    expect(requests).toEqual(['3', '3.25', '3.5', '3.75'].map(offset => `1: request ${offset}+0.25`))
    for (const id of [1, 2, 3]) expect(bench.do({ type: 'requestCompleted', session: 1, id })).toEqual([])
    expect(bench.do({ type: 'requestCompleted', session: 1, id: 4 })).toEqual(['verify 3+1'])
    expect(bench.do({ type: 'pieceVerified', piece: 3 })).toEqual(['completed'])
    expect(bench.do({ type: 'pieceVerified', piece: 3 })).toEqual([])
    expect(bench.wait(250)).toContain('1: notInterested')
    expect(bench.do({ type: 'requestCompleted', session: 1, id: 4 })).toEqual([])
  })

  it('asks another for what was rejected, and the one who rejected later', () => {
    const bench = new Bench('1110')
    bench.open(1, ALL)
    bench.open(2, ALL)
    bench.say(1, { type: 'unchoke' })
    bench.say(2, { type: 'unchoke' })
    expect(bench.say(1, { type: 'reject', id: 2, code: 'busy' })).toEqual(['2: request 3.25+0.25'])
  })

  it('does not ask again for what a peer does not hold', () => {
    const bench = new Bench('1110')
    bench.open(1, ALL)
    bench.say(1, { type: 'unchoke' })
    expect(bench.say(1, { type: 'reject', id: 1, code: 'notHeld' })).toEqual([])
    expect(bench.tick()).toContain('1: notInterested')
  })

  it('bans who gave a false piece alone', () => {
    const bench = new Bench('1110')
    bench.open(1, ALL)
    bench.say(1, { type: 'unchoke' })
    for (const id of [1, 2, 3, 4]) bench.do({ type: 'requestCompleted', session: 1, id })
    expect(bench.do({ type: 'pieceFalse', piece: 3 })).toEqual(['ban peer1'])
    expect(bench.do({ type: 'sessionClosed', session: 1 })).toEqual([])
    bench.open(2, ALL)
    expect(bench.say(2, { type: 'unchoke' })).toEqual(['2: request 3+1'])
  })

  it('stops when it is paused, and goes on', () => {
    const bench = new Bench('1110')
    bench.open(1, ALL)
    bench.say(1, { type: 'unchoke' })
    const paused = bench.do({ type: 'fetchPaused', paused: true })
    expect(paused).toEqual([1, 2, 3, 4].map(id => `1: cancelRequest ${id}`))
    const after = bench.tick()
    expect(after).toContain('1: notInterested')
    expect(after).not.toContain('1: request 3+0.25')
    expect(bench.do({ type: 'fetchPaused', paused: false })[0]).toBe('1: interested')
  })

  it('fetches a piece that was lost again, unless it only shares', () => {
    const bench = new Bench('1111')
    bench.open(1, ALL)
    bench.say(1, { type: 'unchoke' })
    expect(bench.do({ type: 'piecesLost', pieces: [2] })).toEqual([
      '1: lost 2+1',
      '1: interested',
      ...['2', '2.25', '2.5', '2.75'].map(offset => `1: request ${offset}+0.25`)
    ])
    const share = new Bench('1111', { fetch: false })
    share.open(1, ALL)
    share.say(1, { type: 'unchoke' })
    expect(share.do({ type: 'piecesLost', pieces: [2] })).toEqual(['1: lost 2+1'])
  })

  it('does not blame a peer for what we hold back', () => {
    const bench = new Bench('1110')
    bench.open(1, ALL)
    bench.say(1, { type: 'unchoke' })
    for (let i = 0; i < 100; i++) {
      bench.now += 250
      bench.do({ type: 'tick', moved: [], heldBack: [1] })
    }
    expect(bench.swarm.snapshot(bench.now).sessions[0]?.snubbed).toBe(false)
    for (let i = 0; i < 81; i++) bench.tick()
    expect(bench.swarm.snapshot(bench.now).sessions[0]?.snubbed).toBe(true)
    bench.tick(250, [{ session: 1, down: 1, up: 0 }])
    expect(bench.swarm.snapshot(bench.now).sessions[0]?.snubbed).toBe(true)
    bench.tick(250, [{ session: 1, down: 4096, up: 0 }])
    expect(bench.swarm.snapshot(bench.now).sessions[0]?.snubbed).toBe(false)
  })
})

describe('a seeder', () => {
  const interested = (bench: Bench, session: number) => {
    bench.open(session, NONE)
    return bench.say(session, { type: 'interested' })
  }

  it('unchokes at once and offers', () => {
    expect(interested(new Bench('1111'), 1)).toEqual(['1: unchoke', '1: offer 0', '1: offer 1'])
  })

  it('accepts what it holds, from who may ask', () => {
    const bench = new Bench('1100', { fetch: false })
    interested(bench, 1)
    expect(bench.say(1, ask(1))).toEqual(['1: upload 0+1'])
    expect(bench.say(1, ask(2, MIB - 1, 2))).toEqual(['1: reject 2 other'])
    expect(bench.say(1, ask(3, MIB + 1))).toEqual(['1: reject 3 notHeld'])
    expect(bench.say(1, { type: 'cancel', id: 1 })).toEqual(['1: cancelUpload 1'])
    bench.open(2, NONE)
    expect(bench.say(2, ask(1))).toEqual(['2: reject 1 choked'])
  })

  it('ends who asks twice under one id, or outside', () => {
    const bench = new Bench('1111')
    interested(bench, 1)
    bench.say(1, ask(1))
    expect(bench.say(1, ask(1))).toContain('1: disconnect protocol')
    interested(bench, 2)
    expect(bench.say(2, ask(1, 4 * MIB - 1, 2))).toContain('2: disconnect protocol')
  })

  it('takes no more than it said', () => {
    const bench = new Bench('1111', { maxRequests: 2 })
    interested(bench, 1)
    bench.say(1, ask(1))
    bench.say(1, ask(2, MIB))
    expect(bench.say(1, ask(3, 2 * MIB))).toEqual(['1: reject 3 busy'])
    bench.do({ type: 'uploadEnded', session: 1, id: 1, sentBytes: MIB })
    expect(bench.say(1, ask(4))).toEqual(['1: upload 0+1'])
  })

  it('lets a choked peer ask for what was offered, and answers what was accepted', () => {
    const bench = new Bench('1111', { regularSlots: 1, optimisticSlots: 0 })
    interested(bench, 1)
    bench.say(1, ask(1))
    for (let i = 2; i < 4; i++) interested(bench, i)
    let choked: string[] = []
    for (let i = 0; i < 8; i++) choked = [...choked, ...only(bench.tick(10 * SECOND_MS), '1: ')]
    expect(choked).toContain('1: choke')
    expect(only(choked, 'cancelUpload')).toEqual([])
    expect(bench.say(1, ask(2, MIB))).toEqual(['1: upload 1+1'])
    expect(bench.say(2, ask(9, MIB))[0]).toMatch(/^2: (upload|reject 9 choked)/)
  })

  it('takes back what it lost', () => {
    const bench = new Bench('1111', { fetch: false })
    interested(bench, 1)
    bench.say(1, ask(7, MIB))
    expect(bench.do({ type: 'piecesLost', pieces: [1] })).toEqual([
      '1: cancelUpload 7',
      '1: reject 7 notHeld',
      '1: lost 1+1'
    ])
    expect(bench.say(1, ask(8, MIB))).toEqual(['1: reject 8 notHeld'])
  })

  it('gives nodes, within reason', () => {
    const bench = new Bench('1111')
    bench.open(1, NONE)
    const nodes = (first: number, count: number): Message => ({ type: 'nodeRequest', first, count })
    expect(bench.say(1, nodes(0, 1024))).toEqual(['1: sendNodes 0+3'])
    expect(bench.say(1, nodes(3, 1))).toEqual(['1: nodes'])
    let last: string[] = []
    for (let i = 0; i < 400; i++) last = [...last, ...bench.say(1, nodes(0, 1024))]
    expect(last).toContain('1: disconnect limit')
  })
})

describe('the manifest', () => {
  it('is asked for from two peers, then from others', () => {
    const bench = new Bench()
    bench.open(1)
    expect(bench.say(1, hello(NONE, { manifest: false }))).not.toContain('1: nodeRequest')
    expect(bench.open(2, ALL)).toContain('2: nodeRequest')
    expect(bench.open(3, ALL)).toContain('3: nodeRequest')
    expect(bench.open(4, ALL)).not.toContain('4: nodeRequest')
    const none = { type: 'nodes', first: 0, total: 0, blocks: [] } as const
    // all that the second was asked for is the first few
    expect(bench.say(2, none)).toEqual(['3: nodeRequest', '4: nodeRequest'])
    expect(bench.say(4, none)).toEqual([])
    bench.do({ type: 'nodesAccepted', session: 3, known: 5, complete: false })
    expect(bench.do({ type: 'nodesFalse', session: 3 })).toEqual(['ban peer3'])
    expect(bench.say(1, { type: 'haveBitfield', have: NONE })).toEqual(['1: nodeRequest'])
  })

  it('may come as fast as it is asked for, and a node that nobody asked for has its price', () => {
    const bench = new Bench()
    bench.open(1, ALL)
    const nodes = (first: number, count: number): Message => {
      const blocks = Array.from({ length: count }, () => new Uint8Array(1))
      return { type: 'nodes', first, total: 1_000_000, blocks }
    }
    for (let at = 0; at < 100; at++) {
      for (let half = 0; half < 1024; half += 512) {
        expect(bench.say(1, nodes(at * 1024 + half, 512))).not.toContain('1: disconnect limit')
      }
      const known = (at + 1) * 1024
      expect(bench.do({ type: 'nodesAccepted', session: 1, known, complete: false })).toContain('1: nodeRequest')
    }
    const actions = Array.from({ length: 100 }, () => bench.say(1, nodes(0, 1024))).flat()
    expect(actions).toContain('1: disconnect limit')
  })

  it('is asked for elsewhere after ten seconds', () => {
    const bench = new Bench()
    bench.open(1, ALL)
    bench.open(2, ALL)
    let actions: string[] = []
    for (let i = 0; i < 41; i++) actions = [...actions, ...only(bench.tick(), 'nodeRequest')]
    expect(actions).toEqual(['2: nodeRequest'])
  })
})

describe('sessions', () => {
  it('are one for a peer: that of the lesser ID stays', () => {
    for (const [mine, peer, staysOutbound] of [
      ['me', 'zoe', true],
      ['me', 'bob', false]
    ] as const) {
      for (const outboundFirst of [true, false]) {
        const swarm = new Swarm({ root: ROOT, selfId: mine, random: seededRandom(1) })
        swarm.handle({ type: 'sessionOpened', session: 1, peerId: peer, outbound: outboundFirst }, 0)
        swarm.handle({ type: 'sessionOpened', session: 2, peerId: peer, outbound: !outboundFirst }, 0)
        expect(swarm.snapshot(0).sessions.map(session => session.outbound)).toEqual([staysOutbound])
      }
    }
  })

  it.each([
    ['takes the place of another', (bench: Bench) => bench.open(9, undefined, 'peer1')],
    ['gets the room of one that was of no use', (bench: Bench) => bench.open(9)]
  ])('hear a hello first, also one that %s', (_, open) => {
    const bench = new Bench('00', { maxSessions: 2 })
    bench.openPlacer(1, ALL)
    bench.open(2, ALL)
    bench.offer(1, 0, 1)
    bench.say(2, { type: 'unchoke' })
    bench.completed(1, 1, 2, 3, 4)
    bench.do({ type: 'pieceVerified', piece: 0 })
    bench.now += 31 * SECOND_MS
    const actions = open(bench)
    expect(only(actions, '1: disconnect')).toHaveLength(1)
    // what the other owed is asked for, and all that are here are told of what came meanwhile
    expect(only(actions, '2: request')).not.toEqual([])
    expect(only(actions, '9: ')).toEqual(['9: hello bitfield', '9: have 0+1'])
  })

  it('with ourselves end', () => {
    expect(new Bench('1111').open(1, undefined, 'me')).toEqual(['1: disconnect duplicate'])
  })

  it('are not more than there is room for', () => {
    const bench = new Bench('1111', { maxSessions: 2 })
    bench.open(1)
    bench.open(2)
    expect(bench.open(3)).toEqual(['3: disconnect full'])
  })

  it('that are silent end, those of two seeders too', () => {
    const bench = new Bench('1110')
    bench.open(1, ALL)
    let actions: string[] = []
    for (let i = 0; i < 13; i++) actions = [...actions, ...only(bench.tick(10 * SECOND_MS), 'disconnect')]
    expect(actions).toEqual(['1: disconnect idle'])
    const seeder = new Bench('1111')
    seeder.open(1, ALL)
    actions = []
    for (let i = 0; i < 7; i++) actions = [...actions, ...only(seeder.tick(10 * SECOND_MS), 'disconnect')]
    expect(actions).toEqual(['1: disconnect idle'])
  })

  it('tell of each other', () => {
    const bench = new Bench('1111')
    bench.do({ type: 'sessionOpened', session: 1, peerId: 'peer1', outbound: false, addrs: ['/ip4/127.0.0.1/tcp/9'] })
    bench.say(1, hello(NONE))
    const actions = bench.swarm.handle({ type: 'sessionOpened', session: 2, peerId: 'peer2', outbound: false }, 1)
    expect(actions.length).toBe(1)
    const told = bench.swarm.handle({ type: 'message', session: 2, message: hello(NONE) }, 1)
    expect(told).toContainEqual({
      type: 'send',
      session: 2,
      message: { type: 'pex', added: [{ id: 'peer1', addrs: ['/ip4/127.0.0.1/tcp/9'], seeder: false }], dropped: [] }
    })
  })

  it('are dialled: no more at a time than allowed, none when there is nothing to fetch', () => {
    const found: Input = {
      type: 'peersFound',
      peers: Array.from({ length: 20 }, (_, i) => ({ id: `p${i}`, addrs: [], seeder: true }))
    }
    expect(new Bench('0000').do(found).length).toBe(4)
    expect(new Bench().do(found).length).toBe(4)
    expect(new Bench('1111').do(found)).toEqual([])
    const bench = new Bench('0000')
    const [first = ''] = bench.do(found).map(action => action.slice('dial '.length))
    expect(bench.do({ type: 'dialFailed', peerId: first }).length).toBe(1)
    // more once there was time to hear of more: at most 8 at a time
    expect(bench.tick(SECOND_MS).length).toBe(4)
    expect(bench.tick()).toEqual([])
  })

  it('are turned over: whom both sides prefer takes the place of the one that is preferred least', () => {
    const bench = new Bench('0000', { firstDialled: 2, maxDialled: 2, turnoverMs: SECOND_MS })
    const ids = Array.from({ length: 20 }, (_, i) => `p${i}`).sort((a, b) => affinity('me', a) - affinity('me', b))
    const [low = '', lower = ''] = ids.slice(0, 2)
    bench.do({ type: 'peersFound', peers: [low, lower].map(id => ({ id, addrs: [], seeder: true })) })
    bench.open(1, ALL, low)
    bench.open(2, ALL, lower)
    bench.do({ type: 'peersFound', peers: ids.map(id => ({ id, addrs: [], seeder: true })) })
    const best = ids.at(-1) ?? ''
    expect(only(bench.tick(SECOND_MS), 'dial')).toEqual([`dial ${best}`])
    expect(bench.open(3, ALL, best)).toContain('1: disconnect full')
  })
})

describe('a reader', () => {
  it('gets its range first, and nothing else when it wants no more', () => {
    const bench = new Bench('0000')
    bench.open(1, ALL)
    expect(bench.do({ type: 'prioritiesSet', ranges: [{ offset: 2 * MIB, length: 10 }], onlyThese: true })).toEqual([])
    expect(bench.say(1, { type: 'unchoke' }).length).toBe(4)
    for (const id of [1, 2, 3]) bench.do({ type: 'requestCompleted', session: 1, id })
    expect(bench.do({ type: 'requestCompleted', session: 1, id: 4 })).toEqual(['verify 2+1'])
    expect(bench.do({ type: 'pieceVerified', piece: 2 })).toEqual(['completed'])
    expect(bench.wait(250)).toContain('1: notInterested')
    expect(bench.do({ type: 'prioritiesSet', ranges: [{ offset: 2 * MIB, length: 10 }], onlyThese: true })).toEqual([
      'completed'
    ])
    expect(bench.do({ type: 'prioritiesSet', ranges: [], onlyThese: false })[0]).toBe('1: interested')
  })
})
