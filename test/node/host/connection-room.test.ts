import { multiaddr } from '@multiformats/multiaddr'
import { expect, it } from 'vitest'
import { CROWD_SHARE, type Held, makeRoom, ROOM_SHARE, SETTLE_MS } from '../../../src/node/host/connection-room.ts'
import { SWARM_PROTOCOL } from '../../../src/node/host/swarm-dialer.ts'

const MAX = 64
const ALLOWED = MAX * (1 - ROOM_SHARE)

interface Made {
  readonly held: Held
  isEnded: boolean
}

/** @param what digits: streams that it has; `s`: a swarm session; `o`: outbound, without any; `n`: one that is new */
function hold(host: string, what: string): Made[] {
  return [...what].map((kind, at) => {
    const made: Made = {
      held: {
        direction: kind === 'o' ? 'outbound' : 'inbound',
        remoteAddr: multiaddr(`/${host.includes(':') ? 'ip6' : 'ip4'}/${host}/tcp/${4000 + at}`),
        streams: Array.from({ length: kind === 's' ? 1 : Number(kind) || 0 }, () => ({
          protocol: kind === 's' ? SWARM_PROTOCOL : '/shoal/kad/1.0.0'
        })),
        timeline: { open: kind === 'n' ? SETTLE_MS : at },
        abort: () => {
          made.isEnded = true
        }
      } as Held,
      isEnded: false
    }
    return made
  })
}

const endedOf = (made: readonly Made[]) => made.flatMap(({ isEnded }, at) => (isEnded ? at : []))
const NOW = 2 * SETTLE_MS - 1

it('leaves all alone while there is room', () => {
  const made = hold('192.0.2.1', '0'.repeat(ALLOWED))
  makeRoom(
    made.map(({ held }) => held),
    MAX,
    NOW
  )
  expect(endedOf(made)).toEqual([])
})

it('ends those that came in and have nothing under way, of the host that has most, the oldest first', () => {
  const few = hold('192.0.2.1', '000')
  const flood = hold('192.0.2.2', `1on${'0'.repeat(ALLOWED - 3)}`)
  makeRoom(
    [...few, ...flood].map(({ held }) => held),
    MAX,
    NOW
  )
  expect(endedOf(few)).toEqual([])
  expect(endedOf(flood)).toEqual([3, 4, 5])
})

it('ends nobody who has something under way where no host has more than a quarter', () => {
  const made = [1, 2, 3, 4].flatMap(n => hold(`192.0.2.${n}`, '1'.repeat(MAX * CROWD_SHARE)))
  makeRoom(
    made.map(({ held }) => held),
    MAX,
    NOW
  )
  expect(endedOf(made)).toEqual([])
})

it('ends those of a host that has more, though something is under way: without a session first, the oldest first', () => {
  const few = hold('192.0.2.1', '11s')
  const crowd = hold('192.0.2.2', `osn1s1${'s'.repeat(ALLOWED - 6)}`)
  makeRoom(
    [...few, ...crowd].map(({ held }) => held),
    MAX,
    NOW
  )
  expect(endedOf(few)).toEqual([])
  expect(endedOf(crowd)).toEqual([2, 3, 5])
})

it('ends those of a site that has more, each from another host of it, and leaves it its quarter', () => {
  const others = [1, 2, 3, 4].flatMap(n => hold(`192.0.2.${n}`, '1'.repeat(15)))
  const share = MAX * CROWD_SHARE
  const site = Array.from({ length: share + 2 }, (_, at) => hold(`2001:db8:1:${at.toString(16)}::1`, 's')).flat()
  makeRoom(
    [...others, ...site].map(({ held }) => held),
    MAX,
    NOW
  )
  expect(endedOf(others)).toEqual([])
  expect(endedOf(site)).toEqual([0, 1])
})

it('ends those of the site that has most, though each is from another host of it', () => {
  const few = hold('192.0.2.1', '000')
  const flood = Array.from({ length: ALLOWED }, (_, at) => hold(`2001:db8:1:${at.toString(16)}::1`, '0')).flat()
  makeRoom(
    [...few, ...flood].map(({ held }) => held),
    MAX,
    NOW
  )
  expect(endedOf(few)).toEqual([])
  expect(endedOf(flood)).toEqual([0, 1, 2])
})

it('a clock that was set back makes nobody new: what was opened before it was makes room', () => {
  const made = Array.from({ length: ALLOWED + 1 }, (_, at) => hold(`192.0.2.${at}`, '0')).flat()
  const yearMs = 365 * 86_400_000
  makeRoom(
    made.map(({ held }) => held),
    MAX,
    NOW - yearMs
  )
  expect(endedOf(made)).toEqual([0])
})
