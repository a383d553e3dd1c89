import type { PeerInfo } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { decodeAnswer, MAX_ANSWER_BYTES, MAX_PROVIDERS } from '../../src/dht/bounded-answers.ts'
import { K } from '../../src/dht/kad.ts'
import { MAX_ADDRS_OF_PEER } from '../../src/dht/message-bounds.ts'
import { addrOf, host, until } from '../node/host/test-hosts.ts'
import { answerAs, encode, type Named, nobody, randomCid, TYPES } from './hostile-node.ts'

const named = (count: number, addrs = 1): Named[] =>
  Array.from({ length: count }, (_, n) => ({
    id: nobody(),
    addrs: Array.from({ length: addrs }, (_, i) => `/ip4/127.${n >> 8}.${n & 255}.1/tcp/${i + 1}`)
  }))

it('reads what an honest node answers', () => {
  const [closer, providers] = [named(20, 3), named(2, 1)]
  const { multihash } = randomCid()
  const answer = decodeAnswer(encode({ type: TYPES.GET_PROVIDERS, key: multihash.bytes, closer, providers }))
  expect(answer.type).toBe('GET_PROVIDERS')
  expect(Buffer.compare(answer.key ?? new Uint8Array(), multihash.bytes)).toBe(0)
  const read = (peers: typeof answer.closer) =>
    peers.map(({ id, multiaddrs }) => ({
      id: Buffer.from(id ?? []).toString('hex'),
      addrs: multiaddrs.map(addr => multiaddr(addr).toString())
    }))
  const told = (peers: Named[]) => peers.map(({ id, addrs }) => ({ id: Buffer.from(id).toString('hex'), addrs }))
  expect(read(answer.closer)).toEqual(told(closer))
  expect(read(answer.providers)).toEqual(told(providers))
})

it('skips peers and addresses beyond what is looked at', () => {
  const answer = decodeAnswer(
    encode({ type: TYPES.GET_PROVIDERS, closer: named(500, 1), providers: [...named(1, 500), ...named(500)] })
  )
  expect(answer.closer).toHaveLength(K)
  expect(answer.providers).toHaveLength(MAX_PROVIDERS)
  expect(answer.providers[0]?.multiaddrs).toHaveLength(MAX_ADDRS_OF_PEER)
})

it('takes any bytes for an answer or refuses them', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), bytes => {
      try {
        const { closer, providers } = decodeAnswer(bytes)
        expect(closer.length).toBeLessThanOrEqual(K)
        expect(providers.length).toBeLessThanOrEqual(MAX_PROVIDERS)
      } catch (err) {
        expect(err).toMatchObject({ code: 'ERR_PROTOCOL' })
      }
    })
  )
})

/** What a node makes of one answer to its lookup. */
async function ask(answer: { closer?: Named[]; providers?: Named[] }): Promise<{ discovered: number; failed: number }> {
  const [asker, bad] = [await host(), await host()]
  let asked = 0
  await answerAs(bad, type => {
    if (type !== TYPES.GET_PROVIDERS) return {}
    asked++
    return answer
  })
  await bad.dialer.connectTo(addrOf(asker))
  await until('the asker knows it', () => asker.routing.tableSize > 0)
  const { network } = asker.libp2p.services.dht as unknown as {
    network: { addEventListener(type: 'peer', listener: (event: CustomEvent<PeerInfo>) => void): void }
  }
  const discovered = new Set<string>()
  network.addEventListener('peer', ({ detail }) => discovered.add(detail.id.toString()))
  const lookup = asker.routing.findProviders(randomCid(), { signal: AbortSignal.timeout(30_000) })
  for await (const _ of lookup) break
  await until('asked', () => asked > 0)
  return { discovered: discovered.size, failed: lookup.stats.failed }
}

it('an answer that names thousands tells of some', async () => {
  const { discovered } = await ask({ closer: named(2_000), providers: named(2_000) })
  expect(discovered).toBe(K + MAX_PROVIDERS)
})

it('one that is larger than any is none', async () => {
  expect(await ask({ closer: named(Math.ceil(MAX_ANSWER_BYTES / 48)) })).toEqual({ discovered: 0, failed: 1 })
})

/**
 * A protocol that is not known here; one whose value cannot be written as text; cut short; and a host name with a slash,
 * whose text cannot be read.
 */
const UNREADABLE = ['fe7f01', 'e10377f28dba8227696faa2c0dda7513ebc4cc03c47ba2de', '047f00', '3603612f62061040'].map(
  hex => Buffer.from(hex, 'hex')
)

it('an address or a peer ID that cannot be read is skipped, and the rest of the answer counts', async () => {
  const real: Named = { id: nobody(), addrs: [...UNREADABLE, '/ip4/127.0.0.1/tcp/9'] }
  // a hash that names no peer
  const odd: Named = { id: Uint8Array.from([0x11, 2, 1, 2]), addrs: ['/ip4/127.0.0.1/tcp/9'] }
  const { closer, providers } = decodeAnswer(
    encode({ type: TYPES.GET_PROVIDERS, closer: [odd, real], providers: [odd, real] })
  )
  for (const [peer, ...others] of [closer, providers]) {
    expect(others).toEqual([])
    expect(peer?.multiaddrs.map(addr => multiaddr(addr).toString())).toEqual(['/ip4/127.0.0.1/tcp/9'])
  }
  expect(await ask({ closer: [odd, real], providers: [odd, real] })).toEqual({ discovered: 1, failed: 0 })
})
