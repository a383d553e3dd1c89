import { multiaddr } from '@multiformats/multiaddr'
import { expect, it } from 'vitest'
import { oneOfEachKind } from '../../src/dht/address-order.ts'

const at = (...hosts: string[]) => hosts.map(host => `/${host.includes(':') ? 'ip6' : 'ip4'}/${host}/tcp/4160`)

it('gives one of each kind, public ones first, then the second of each', () => {
  const given = at('172.17.0.1', '172.18.0.1', 'fd00::1', '8.8.1.1', '8.8.1.2', '2a01::1', '100.64.0.1', '2a01::2')
  const ordered = at('8.8.1.1', '2a01::1', '172.17.0.1', 'fd00::1', '100.64.0.1', '8.8.1.2', '2a01::2', '172.18.0.1')
  expect(oneOfEachKind(given)).toEqual(ordered)
  expect(oneOfEachKind(given.map(text => multiaddr(text))).map(String)).toEqual(ordered)
})

it('leaves what is of one kind as it is, and nothing out', () => {
  const lan = at('192.168.1.2', '10.0.0.1', '192.168.1.1')
  expect(oneOfEachKind(lan)).toEqual(lan)
  expect(oneOfEachKind([])).toEqual([])
  expect(oneOfEachKind(['/dns4/example.org/tcp/1', ...lan])).toHaveLength(4)
})
