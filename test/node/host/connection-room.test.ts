import { multiaddr } from '@multiformats/multiaddr'
import { expect, it } from 'vitest'
import { type Held, makeRoom, ROOM_SHARE, SETTLE_MS } from '../../../src/node/host/connection-room.ts'

const MAX = 64
const ALLOWED = MAX * (1 - ROOM_SHARE)

interface Made {
  readonly held: Held
  isEnded: boolean
}

/** @param what digits: streams that it has; `o`: outbound, without any; `n`: one that is new */
function hold(host: string, what: string): Made[] {
  return [...what].map((kind, at) => {
    const made: Made = {
      held: {
        direction: kind === 'o' ? 'outbound' : 'inbound',
        remoteAddr: multiaddr(`/${host.includes(':') ? 'ip6' : 'ip4'}/${host}/tcp/${4000 + at}`),
        streams: new Array(Number(kind) || 0),
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

it('ends nobody who has something under way', () => {
  const made = hold('192.0.2.1', '1'.repeat(MAX))
  makeRoom(
    made.map(({ held }) => held),
    MAX,
    NOW
  )
  expect(endedOf(made)).toEqual([])
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
