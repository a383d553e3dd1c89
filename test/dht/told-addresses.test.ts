import { expect, it } from 'vitest'
import { BEST_ADDRS, ToldAddresses } from '../../src/dht/told-addresses.ts'

const lies = (liar: number) => Array.from({ length: 32 }, (_, i) => `/ip4/192.0.2.${liar}/tcp/${i + 1}`)
const TRUE = ['/ip4/10.0.0.1/tcp/4160', '/ip6/2001:db8::1/tcp/4160']

it.each([
  ['a liar answers first', [lies(1), TRUE]],
  ['a liar answers last', [TRUE, lies(1)]],
  ['three liars answer, and one who is honest', [lies(1), TRUE, lies(2), lies(3)]],
  ['fifteen liars answer, and two who are honest', [TRUE, ...Array.from({ length: 15 }, (_, i) => lies(i)), TRUE]]
])('%s: the true address is among the best', (_, answers) => {
  const told = new ToldAddresses()
  let best: string[] | undefined
  for (const addrs of answers) best = told.add(addrs) ?? best
  expect(best).toHaveLength(BEST_ADDRS)
  expect(best).toContain(TRUE[0])
})

it('says nothing where an answer changes nothing', () => {
  const told = new ToldAddresses()
  expect(told.add(TRUE)).toEqual(TRUE)
  expect(told.add(TRUE)).toBeUndefined()
  expect(told.add([TRUE[1] ?? ''])).toBeUndefined()
  expect(told.add([])).toBeUndefined()
})

it('the public addresses of a machine with many networks are the first of the best', () => {
  const networks = [17, 18, 19, 20, 21, 22, 23, 24, 25, 26].map(n => `/ip4/172.${n}.0.1/tcp/4160`)
  const outside = ['/ip4/45.33.2.2/tcp/4160', '/ip6/2600:3c00:2::2/tcp/4160']
  // as the peer store sorts them
  const best = new ToldAddresses().add(['/ip4/10.0.0.7/tcp/4160', ...networks, ...outside])
  expect(best).toHaveLength(BEST_ADDRS)
  expect(best?.slice(0, 2)).toEqual(outside)
})

it.each(['192.168.1.7', '10.0.0.7', '100.64.0.7'])(
  'behind many container networks the address in the LAN, %s, is among the best',
  lan => {
    const networks = [17, 18, 19, 20, 21, 22, 23, 24, 25, 26].map(n => `/ip4/172.${n}.0.1/tcp/4160`)
    const own = `/ip4/${lan}/tcp/4160`
    expect(new ToldAddresses().add([...networks, own, '/ip6/fd00::7/tcp/4160'])?.slice(0, 3)).toContain(own)
  }
)
