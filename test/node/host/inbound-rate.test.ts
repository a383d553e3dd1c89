import { StreamAbortEvent, StreamCloseEvent, StreamResetEvent } from '@libp2p/interface'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { expect, it } from 'vitest'
import { ShoalError } from '../../../src/base/errors.ts'
import { SITE_FACTOR } from '../../../src/base/remote-host.ts'
import {
  type Arriving,
  INBOUND_BURST,
  INBOUND_PER_SEC,
  InboundRate,
  OFFENCE_COST
} from '../../../src/node/host/inbound-rate.ts'

class Connection extends EventTarget {
  readonly remoteAddr: Multiaddr

  constructor(host: string) {
    super()
    this.remoteAddr = multiaddr(`/${host.includes(':') ? 'ip6' : 'ip4'}/${host}/tcp/4000`)
  }
}

function world() {
  let now = 0
  const rate = new InboundRate(() => now)
  /** Those that may stay. */
  const come = (host: string, count: number) => {
    const stayed: Connection[] = []
    for (let at = 0; at < count; at++) {
      const connection = new Connection(host)
      if (rate.came(connection as unknown as Arriving)) stayed.push(connection)
    }
    return stayed
  }
  return { rate, come, wait: (ms: number) => (now += ms) }
}

it('lets a whole swarm in that comes from one host, and then so many a second', () => {
  const { come, wait } = world()
  expect(come('192.0.2.1', INBOUND_BURST + 50)).toHaveLength(INBOUND_BURST)
  expect(come('192.0.2.2', 1)).toHaveLength(1)
  wait(10_000)
  expect(come('192.0.2.1', INBOUND_BURST)).toHaveLength(10 * INBOUND_PER_SEC)
})

it('counts a connection that we end for breaking a rule as many, and no other end', () => {
  const { come } = world()
  const [limit, protocol, ours, theirs, usual] = come('192.0.2.1', 5)
  limit?.dispatchEvent(new StreamAbortEvent(new ShoalError('ERR_LIMIT', 'too many')))
  protocol?.dispatchEvent(new StreamAbortEvent(new ShoalError('ERR_PROTOCOL', 'wrong')))
  ours?.dispatchEvent(new StreamAbortEvent(new ShoalError('ERR_UNREACHABLE', 'no room')))
  theirs?.dispatchEvent(new StreamResetEvent(new ShoalError('ERR_LIMIT', 'says the peer')))
  usual?.dispatchEvent(new StreamCloseEvent())
  expect(come('192.0.2.1', INBOUND_BURST)).toHaveLength(INBOUND_BURST - 5 - 2 * OFFENCE_COST)
})

it('lets a host in again after a moment, however much it did at once', () => {
  const { rate, come, wait } = world()
  for (let at = 0; at < 10_000; at++) rate.offended('/ip4/192.0.2.1/tcp/5000')
  expect(come('192.0.2.1', 1)).toHaveLength(0)
  wait((1000 * (OFFENCE_COST + 1)) / INBOUND_PER_SEC)
  expect(come('192.0.2.1', 1)).toHaveLength(1)
})

it('lets a site in as often as four hosts, from however many of its networks it comes', () => {
  const { rate, come } = world()
  const networks = Array.from({ length: 10 }, (_, at) => `2001:db8:1:${at}::1`)
  const stayed = networks.map(host => come(host, INBOUND_BURST).length)
  expect(stayed.reduce((sum, count) => sum + count)).toBe(SITE_FACTOR * INBOUND_BURST)
  expect(stayed.slice(SITE_FACTOR)).toEqual(new Array(10 - SITE_FACTOR).fill(0))
  expect(come('2001:db8:2::1', 1)).toHaveLength(1)
  // offences count for it, too
  for (let at = 0; at < (SITE_FACTOR * INBOUND_BURST) / OFFENCE_COST; at++) {
    rate.offended(`/ip6/2001:db8:3:${at.toString(16)}::1/tcp/4000`)
  }
  expect(come('2001:db8:3:ffff::1', 1)).toHaveLength(0)
})

it('takes nothing from a host that its site has no room for', () => {
  const { come, wait } = world()
  for (let at = 0; at < SITE_FACTOR; at++) come(`2001:db8:1:${at}::1`, INBOUND_BURST)
  expect(come('2001:db8:1:ff::1', INBOUND_BURST)).toHaveLength(0)
  wait(1000)
  expect(come('2001:db8:1:ff::1', INBOUND_BURST)).toHaveLength(SITE_FACTOR * INBOUND_PER_SEC)
})
