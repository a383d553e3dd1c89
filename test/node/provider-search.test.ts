import { expect, it } from 'vitest'
import { cidOf, RAW } from '../../src/content/cid.ts'
import type { ProviderLookup } from '../../src/dht/content-routing.ts'
import { MAX_COUNTED, ProviderSearch } from '../../src/node/provider-search.ts'

/** At which seconds of `seconds` the DHT is asked, when `peersAt` tells how many peers of the swarm are connected. */
async function lookups(seconds: number, peersAt: (second: number) => number): Promise<number[]> {
  let now = 0
  const asked: number[] = []
  const ended = new AbortController()
  const stats = { asked: 0, answered: 0, failed: 0, providers: 0 }
  const search = new ProviderSearch({
    cid: cidOf(RAW, new Uint8Array(32)),
    routing: {
      findProviders: () => {
        asked.push(now)
        return { stats, async *[Symbol.asyncIterator]() {} } satisfies ProviderLookup
      }
    },
    named: () => [],
    connected: () => peersAt(now),
    wait: async ms => {
      now += ms / 1_000
      if (now >= seconds) ended.abort()
    }
  })
  await search.find(new Uint8Array(), { signal: ended.signal, onFound: () => {} })
  return asked
}

it('asks the DHT often while peers are few, as a young network still learns who is there', async () => {
  expect(await lookups(60, () => 0)).toEqual([0, 1, 3, 6, 11, 21, 36, 51])
  expect(await lookups(60, () => 3)).toEqual([0, 1, 3, 6, 11, 21, 36, 51])
})

it('asks rarely where peers are enough, as they tell of each other', async () => {
  expect(await lookups(200, () => 4)).toEqual([0, 60, 120, 180])
})

it('asks again within a second once they are gone', async () => {
  expect(await lookups(60, second => (second < 30 ? 8 : 0))).toEqual([0, 30, 32, 35, 40, 50])
})

it('counts no end of names: those found beyond are passed on, not remembered', async () => {
  const ended = new AbortController()
  const stats = { asked: 0, answered: 0, failed: 0, providers: 0 }
  let round = 0
  let passedOn = 0
  const search = new ProviderSearch({
    cid: cidOf(RAW, new Uint8Array(32)),
    routing: {
      findProviders: () => ({
        stats,
        async *[Symbol.asyncIterator]() {
          for (let i = 0; i < 1_000; i++) yield { id: `peer ${round} ${i}`, addrs: [] }
        }
      })
    },
    named: () => [],
    connected: () => 0,
    wait: async () => {
      if (++round === 6) ended.abort()
    }
  })
  await search.find(new Uint8Array(), {
    signal: ended.signal,
    onFound: peers => {
      passedOn += peers.length
    }
  })
  expect(passedOn).toBe(6_000)
  expect(search.providers.size).toBe(MAX_COUNTED)
})
