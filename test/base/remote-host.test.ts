import fc from 'fast-check'
import { expect, it } from 'vitest'
import { crowding, hostOf, originOf } from '../../src/base/remote-host.ts'

it.each([
  ['/ip4/192.0.2.7/tcp/4160', '/ip4/192.0.2.7'],
  ['/ip4/192.0.2.7/tcp/4160/p2p/12D3KooW', '/ip4/192.0.2.7'],
  ['/dns4/example.org/tcp/1', '/dns4/example.org'],
  ['/ip6/2001:db8:1:2:3:4:5:6/tcp/1', '/ip6/2001:db8:1:2::/64'],
  ['/ip6/2001:DB8:1:02::6/tcp/1', '/ip6/2001:db8:1:2::/64'],
  ['/ip6/2001:db8::1/tcp/1', '/ip6/2001:db8:0:0::/64'],
  ['/ip6/2001:db8::/tcp/1', '/ip6/2001:db8:0:0::/64'],
  ['/ip6/2001:db8:0:0:ffff::1/tcp/1', '/ip6/2001:db8:0:0::/64'],
  ['/ip6/::1/tcp/1', '/ip6/::1'],
  ['/ip6/::ffff:192.0.2.7/tcp/1', '/ip6/::ffff:192.0.2.7'],
  ['/ip6/fe80::1:2/tcp/1', '/ip6/fe80::1:2'],
  ['/ip6zone/eth0/ip6/fe80::1:2/tcp/1', '/ip6/fe80::1:2'],
  ['/ip6zone/eth0', '//'],
  ['/ip6/64:ff9b::c000:207/tcp/1', '/ip6/64:ff9b::c000:207'],
  ['', '//']
])('of %s it is %s', (addr, host) => {
  expect(hostOf(addr)).toBe(host)
})

it('is the same for all addresses of a network, however they are written, and another for others', () => {
  const group = fc.integer({ min: 1, max: 0xffff }).map(n => n.toString(16))
  fc.assert(
    fc.property(
      fc.tuple(fc.constant('2001'), group, group, group),
      fc.array(group, { minLength: 4, maxLength: 4 }),
      group,
      (prefix, rest, other) => {
        const whole = hostOf(`/ip6/${[...prefix, ...rest].join(':')}/tcp/1`)
        expect(hostOf(`/ip6/${prefix.join(':')}::${other}/tcp/9`)).toBe(whole)
        const [a, b, c, d] = prefix
        if (d !== other) expect(hostOf(`/ip6/${a}:${b}:${c}:${other}::1/tcp/9`)).not.toBe(whole)
      }
    )
  )
})

it('takes any text', () => {
  fc.assert(fc.property(fc.string(), text => void hostOf(`/ip6/${text}`)))
})

it.each([
  ['/ip4/192.0.2.7/tcp/4160', '/ip4/192.0.2.7'],
  ['/ip6/2001:db8:1:2:3:4:5:6/tcp/1', '/ip6/2001:db8:1::/48'],
  ['/ip6/2001:DB8::1/tcp/1', '/ip6/2001:db8:0::/48'],
  ['/ip6/::1/tcp/1', '/ip6/::1'],
  ['/ip6/0:0:0:1::1/tcp/1', '/ip6/0:0:0::/48'],
  ['/ip6/::ffff:192.0.2.7/tcp/1', '/ip6/::ffff:192.0.2.7'],
  ['/ip6/fe80::1:2/tcp/1', '/ip6/fe80::1:2'],
  ['/ip6/64:ff9b::c000:207/tcp/1', '/ip6/64:ff9b::c000:207']
])('the site of %s is %s', (addr, site) => {
  expect(originOf(addr)).toEqual({ host: hostOf(addr), site })
})

it('the most crowded are of the site with most, and of its host with most', () => {
  const origins = [
    '/ip6/2001:db8:1:1::1',
    '/ip6/2001:db8:1:2::1',
    '/ip6/2001:db8:1:2::2',
    '/ip4/192.0.2.1',
    '/ip4/192.0.2.1'
  ]
  const crowdingOf = crowding(origins.map(originOf))
  const sorted = origins.toSorted((a, b) => crowdingOf(originOf(b)) - crowdingOf(originOf(a)))
  expect([...new Set(sorted.map(hostOf))]).toEqual([
    '/ip6/2001:db8:1:2::/64',
    '/ip6/2001:db8:1:1::/64',
    '/ip4/192.0.2.1'
  ])
})
