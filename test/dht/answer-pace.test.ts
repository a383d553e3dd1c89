import type { Stream } from '@libp2p/interface'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { originOf, SITE_FACTOR } from '../../src/base/remote-host.ts'
import {
  AnswerPace,
  HOST_MESSAGE_BURST,
  HOST_MESSAGES_PER_SEC,
  MAX_UNREAD_BYTES,
  PEER_MESSAGE_BURST,
  PEER_MESSAGES_PER_SEC,
  Unread
} from '../../src/dht/answer-pace.ts'

const at = (host: string) => originOf(`/${host.includes(':') ? 'ip6' : 'ip4'}/${host}/tcp/4000`)
const ask = (pace: AnswerPace, peer: string, host: string, count: number, now = 0) =>
  Array.from({ length: count }, () => pace.waitMs({ peer, origin: at(host) }, now))

describe('the pace of answers', () => {
  it('lets a burst pass, then answers one after the other', () => {
    const pace = new AnswerPace()
    expect(new Set(ask(pace, 'a', '10.0.0.1', PEER_MESSAGE_BURST))).toEqual(new Set([0]))
    const each = 1000 / PEER_MESSAGES_PER_SEC
    expect(ask(pace, 'a', '10.0.0.1', 4)).toEqual([1, 2, 3, 4].map(n => Math.ceil(n * each)))
  })

  it('answers others of the host meanwhile, and those of other hosts', () => {
    const pace = new AnswerPace()
    ask(pace, 'a', '10.0.0.1', PEER_MESSAGE_BURST * 2)
    expect(pace.waitMs({ peer: 'b', origin: at('10.0.0.1') }, 0)).toBe(0)
    expect(pace.waitMs({ peer: 'c', origin: at('10.0.0.2') }, 0)).toBe(0)
  })

  it('counts the peers of a host together: another name does not help', () => {
    const pace = new AnswerPace()
    for (let n = 0; n < HOST_MESSAGE_BURST; n++) pace.waitMs({ peer: `p${n}`, origin: at('10.0.0.1') }, 0)
    expect(pace.waitMs({ peer: 'new', origin: at('10.0.0.1') }, 0)).toBeGreaterThan(0)
    expect(pace.waitMs({ peer: 'new', origin: at('10.0.0.2') }, 0)).toBe(0)
    expect(pace.waitMs({ peer: 'new', origin: at('10.0.0.1') }, 1000)).toBe(0)
  })

  it('counts the hosts of a site together, four times as generously', () => {
    const pace = new AnswerPace()
    let answeredAtOnce = 0
    for (let n = 0; n < SITE_FACTOR * HOST_MESSAGE_BURST + 1000; n++) {
      const origin = at(`2001:db8:1:${(n % 1000).toString(16)}::1`)
      if (pace.waitMs({ peer: `p${n}`, origin }, 0) === 0) answeredAtOnce++
    }
    expect(answeredAtOnce).toBe(SITE_FACTOR * HOST_MESSAGE_BURST)
    expect(pace.waitMs({ peer: 'new', origin: at('2001:db8:2::1') }, 0)).toBe(0)
  })

  it('refuses what would wait for longer than a stream lives, and does not count it', () => {
    const pace = new AnswerPace()
    const waits = ask(pace, 'a', '10.0.0.1', PEER_MESSAGE_BURST + 10 * PEER_MESSAGES_PER_SEC)
    expect(Math.max(...waits.map(wait => wait ?? 0))).toBe(4000)
    expect(waits.at(-1)).toBeUndefined()
    expect(pace.waitMs({ peer: 'a', origin: at('10.0.0.1') }, 1000)).toBeLessThan(3100)
  })

  it('never answers more than the rate over any time', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(20), { minLength: 1, maxLength: 400 }), steps => {
        const pace = new AnswerPace()
        const answeredAt: number[] = []
        let now = 0
        for (const step of steps) {
          now += step
          for (const wait of ask(pace, 'a', '10.0.0.1', 40, now)) if (wait !== undefined) answeredAt.push(now + wait)
        }
        answeredAt.sort((a, b) => a - b)
        const allowed = (ms: number, burst: number, rate: number) => burst + (ms * rate) / 1000 + 1
        for (const [count, at] of answeredAt.entries()) {
          expect(count).toBeLessThanOrEqual(allowed(at, PEER_MESSAGE_BURST, PEER_MESSAGES_PER_SEC))
          expect(count).toBeLessThanOrEqual(allowed(at, HOST_MESSAGE_BURST, HOST_MESSAGES_PER_SEC))
        }
      }),
      { numRuns: 50 }
    )
  })
})

describe('what is unread', () => {
  const watched = () => {
    const errors: Error[] = []
    const stream = Object.assign(new EventTarget(), { abort: (err: Error) => void errors.push(err) })
    const unread = new Unread(stream as unknown as Stream)
    const come = (...bytes: number[]) =>
      stream.dispatchEvent(Object.assign(new Event('message'), { data: Uint8Array.from(bytes) }))
    return { unread, errors, come }
  }

  it('costs its stream when it comes byte by byte, long before there are so many bytes', () => {
    const { errors, come } = watched()
    come(0x80, 0x80, 0x80, 0x01) // 2 MiB will follow
    let chunks = 0
    while (errors.length === 0 && chunks < MAX_UNREAD_BYTES) {
      come(1)
      chunks += 1
    }
    expect(errors).toMatchObject([{ code: 'ERR_LIMIT' }])
    expect(chunks).toBeLessThan(MAX_UNREAD_BYTES / 200)
  })

  it('costs nothing once it is read, however many chunks it came in', () => {
    const { unread, errors, come } = watched()
    for (let question = 0; question < MAX_UNREAD_BYTES; question++) {
      come(3, 1)
      come(1)
      come(1, 1, 1)
      unread.read()
      unread.read()
    }
    expect(errors).toEqual([])
  })
})
