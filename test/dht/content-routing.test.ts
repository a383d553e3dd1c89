import { createHash } from 'node:crypto'
import type { CID } from 'multiformats/cid'
import { expect, test } from 'vitest'
import { cidOf, RAW } from '../../src/content/cid.ts'
import type { FoundProvider, LookupStats } from '../../src/dht/content-routing.ts'
import type { Host } from '../../src/node/host/create-host.ts'
import { addrOf, host, until } from '../node/host/test-hosts.ts'

function someCid(text: string): CID {
  return cidOf(RAW, createHash('sha256').update(text).digest())
}

async function find(of: Host, cid: CID): Promise<{ found: FoundProvider[]; stats: LookupStats }> {
  const lookup = of.routing.findProviders(cid, { signal: AbortSignal.timeout(20_000) })
  const found: FoundProvider[] = []
  for await (const provider of lookup) found.push(provider)
  return { found, stats: { ...lookup.stats } }
}

const bare = (addr: string) => addr.replace(/\/p2p\/.*$/, '')

test('two nodes: the getter finds the sharer by what the sharer itself answers', async () => {
  const sharer = await host()
  const getter = await host({ dht: { mode: 'client' } })
  const cid = someCid('two')
  await getter.dialer.connectTo(addrOf(sharer))
  // The getter is a client, so the sharer knows no DHT server: nobody takes the record but the sharer.
  const providing = expect(sharer.routing.provide(cid)).rejects.toMatchObject({ code: 'ERR_ABORTED' })
  const { found, stats } = await find(getter, cid)
  expect(found).toEqual([{ id: sharer.peerId, addrs: [bare(addrOf(sharer))] }])
  expect(stats).toEqual({ asked: 1, answered: 1, failed: 0, providers: 1 })
  await sharer.stop()
  await providing
})

test('a chain of ten: content of one is found by all, and by a newcomer that knows only a node holding nothing', async () => {
  const hosts = [await host()]
  for (let i = 1; i < 10; i++) {
    const next = await host()
    const last = hosts.at(-1)
    if (last !== undefined) await next.dialer.connectTo(addrOf(last))
    hosts.push(next)
  }
  const [first, ...others] = hosts as [Host, ...Host[]]
  const cid = someCid('chain')
  const { nodes } = await first.routing.provide(cid)
  expect(nodes).toBeGreaterThan(0)
  const newcomer = await host({ dht: { mode: 'client' } })
  await newcomer.dialer.connectTo(addrOf(others[4] as Host))
  for (const getter of [newcomer, ...others]) {
    const { found } = await find(getter, cid)
    expect(found).toEqual([{ id: first.peerId, addrs: [bare(addrOf(first))] }])
  }
  await until('every table holds every server', () => hosts.every(one => one.routing.tableSize === 9))
})
