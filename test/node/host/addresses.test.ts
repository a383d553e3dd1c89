import { multiaddr } from '@multiformats/multiaddr'
import { expect, test } from 'vitest'
import {
  announcedAddrs,
  isTcpAddr,
  linkAddrs,
  parseAnnounceAddr,
  parseListenAddr,
  parseMultiaddr,
  plainAddrs
} from '../../../src/node/host/addresses.ts'

const ID = '12D3KooWKnDdG3iXw9eTFijk3EWSunZcFi54Zka4wmtqtt6rPxc8'

test.each([
  ['/ip4/10.0.0.1/tcp/4160', '/ip4/10.0.0.1/tcp/4160', undefined],
  [`/ip4/10.0.0.1/tcp/4160/p2p/${ID}`, '/ip4/10.0.0.1/tcp/4160', ID],
  [`/ip6/::1/tcp/1/p2p/${ID}`, '/ip6/::1/tcp/1', ID],
  ['/dns4/example.org/tcp/4160', '/dns4/example.org/tcp/4160', undefined],
  [`/p2p/${ID}`, undefined, ID]
])('%s is an address of a peer', (text, addr, peerId) => {
  const parsed = parseMultiaddr(text)
  expect(parsed.addr?.toString()).toBe(addr)
  expect(parsed.peerId).toBe(peerId)
})

test.each([
  ['', /no slash/],
  ['10.0.0.1:4160', /no slash/],
  ['/ip4/300.0.0.1/tcp/1', /not a usable/],
  ['/ip4/10.0.0.1', /no transport/],
  ['/ip4/10.0.0.1/tcp/99999', /not a usable/],
  ['/ip4/10.0.0.1/tcp/0', /port 0/],
  ['/ip4/10.0.0.1/udp/4160/quic-v1', /plain TCP/],
  ['/ip4/10.0.0.1/tcp/80/ws', /plain TCP/],
  ['/dnsaddr/example.org', /dnsaddr/],
  ['/unix/tmp%2fsocket', /not a usable/],
  [`/ip4/10.0.0.1/tcp/1/p2p/${ID}/p2p-circuit/p2p/${ID}`, /relayed/],
  ['/ip4/10.0.0.1/tcp/1/p2p/nonsense', /no peer ID/]
])('%j is refused with an example', (text, why) => {
  expect(() => parseMultiaddr(text)).toThrow(
    expect.objectContaining({
      code: 'ERR_BAD_MULTIADDR',
      message: expect.stringMatching(why),
      hint: expect.any(String)
    })
  )
})

test('host:port is turned into a multiaddr in the hint', () => {
  expect(() => parseMultiaddr('10.0.0.1:4160')).toThrow(
    expect.objectContaining({ hint: 'write it as /ip4/10.0.0.1/tcp/4160' })
  )
})

test('listening takes port 0 and no names', () => {
  expect(parseListenAddr('/ip4/127.0.0.1/tcp/0').toString()).toBe('/ip4/127.0.0.1/tcp/0')
  for (const text of ['/dns4/localhost/tcp/1', '/ip4/127.0.0.1/udp/1', 'x', `/ip4/127.0.0.1/tcp/1/p2p/${ID}`]) {
    expect(() => parseListenAddr(text)).toThrow(expect.objectContaining({ code: 'ERR_BAD_MULTIADDR' }))
  }
})

test.each([
  ['/dns4/example.org/tcp/4160', /no host names/],
  ['/ip4/0.0.0.0/tcp/4160', /leads nowhere/],
  ['/ip6/::/tcp/4160', /leads nowhere/],
  ['/ip4/203.0.113.7/tcp/0', /port 0/],
  ['/ip4/203.0.113.7', /no transport/],
  [`/ip4/203.0.113.7/tcp/4160/p2p/${ID}`, /names a peer/],
  ['203.0.113.7:4160', /no slash/]
])('%j is not announced', (text, why) => {
  expect(() => parseAnnounceAddr(text)).toThrow(
    expect.objectContaining({ code: 'ERR_BAD_MULTIADDR', message: expect.stringMatching(why) })
  )
})

test('what the user has announced comes first, once, and loopback addresses are not told beside it', () => {
  const given = parseAnnounceAddr('/ip4/10.9.9.9/tcp/4160')
  const own = ['/ip4/127.0.0.1/tcp/1', '/ip4/192.168.1.2/tcp/1', '/ip4/8.20.30.40/tcp/1', '/ip4/10.9.9.9/tcp/4160']
  const all = announcedAddrs(
    own.map(text => multiaddr(text)),
    [given]
  ).map(String)
  expect(all).toEqual(['/ip4/10.9.9.9/tcp/4160', '/ip4/8.20.30.40/tcp/1', '/ip4/192.168.1.2/tcp/1'])
  expect(announcedAddrs([multiaddr('/ip4/127.0.0.1/tcp/1')], [given]).map(String)).toEqual(['/ip4/10.9.9.9/tcp/4160'])
})

test('links carry loopback addresses only when there are no others', () => {
  const loopback = ['/ip4/127.0.0.1/tcp/1', '/ip6/::1/tcp/1']
  expect(linkAddrs(loopback)).toEqual(loopback)
  expect(linkAddrs([...loopback, '/ip4/192.168.1.2/tcp/1'])).toEqual(['/ip4/192.168.1.2/tcp/1'])
  expect(linkAddrs(['/ip6/fe80::1/tcp/1', '/ip6/fd00::1/tcp/1'])).toEqual(['/ip6/fd00::1/tcp/1'])
  expect(linkAddrs([])).toEqual([])
  expect(linkAddrs([multiaddr('/ip4/127.0.0.1/tcp/1')]).map(String)).toEqual(['/ip4/127.0.0.1/tcp/1'])
})

test('plain addresses: no peer ID, each once, nothing that is none', () => {
  const addr = '/ip4/10.0.0.1/tcp/1'
  expect(plainAddrs([addr, `${addr}/p2p/${ID}`, 'nonsense', `/p2p/${ID}`])).toEqual([addr])
})

test('an address of nothing is refused, and a list from a stranger loses those that name a peer amid the address', () => {
  expect(() => parseMultiaddr('/')).toThrow(expect.objectContaining({ code: 'ERR_BAD_MULTIADDR' }))
  const relay = `/ip4/192.0.2.1/tcp/1/p2p/${ID}/p2p-circuit`
  expect(plainAddrs([relay, `/ip4/192.0.2.1/tcp/4/p2p/${ID}`, `${relay}/p2p/${ID}`])).toEqual(['/ip4/192.0.2.1/tcp/4'])
})

test('what is dialled is a TCP port of a host', () => {
  const tcp = ['/ip4/10.0.0.1/tcp/1', '/ip6/::1/tcp/1', '/dns/a.example/tcp/1', '/ip6zone/eth0/ip6/fe80::1/tcp/1']
  for (const text of tcp) {
    expect([text, isTcpAddr(multiaddr(text)), isTcpAddr(multiaddr(`${text}/p2p/${ID}`))]).toEqual([text, true, true])
  }
  for (const text of [
    '/unix/%2Ftmp%2Fsocket',
    `/unix/%2Ftmp%2Fsocket/p2p/${ID}`,
    '/ip4/10.0.0.1/tcp/1/ws',
    '/ip4/10.0.0.1/udp/1/quic-v1',
    '/ip4/10.0.0.1',
    '/dnsaddr/a.example',
    `/p2p/${ID}`,
    `/ip4/10.0.0.1/tcp/1/p2p/${ID}/p2p-circuit`
  ]) {
    expect([text, isTcpAddr(multiaddr(text))]).toEqual([text, false])
  }
})
