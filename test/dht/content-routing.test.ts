import { createHash } from 'node:crypto'
import { generateKeyPair } from '@libp2p/crypto/keys'
import type { CID } from 'multiformats/cid'
import { expect, test, vi } from 'vitest'
import { cidOf, RAW } from '../../src/content/cid.ts'
import type { FoundProvider, LookupStats } from '../../src/dht/content-routing.ts'
import type { Host } from '../../src/node/host/create-host.ts'
import { addrOf, host, until } from '../node/host/test-hosts.ts'
import { answerAs, nameOf, nobody, TYPES } from './hostile-node.ts'

function someCid(text: string): CID {
  return cidOf(RAW, createHash('sha256').update(text).digest())
}

async function find(of: Host, cid: CID): Promise<{ found: FoundProvider[]; stats: LookupStats }> {
  const signal = AbortSignal.timeout(20_000)
  const lookup = of.routing.findProviders(cid, { signal })
  const found: FoundProvider[] = []
  for await (const provider of lookup) found.push(provider)
  expect(signal.aborted, 'it ended by itself').toBe(false)
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
  const expected = [{ id: first.peerId, addrs: [bare(addrOf(first))] }]
  for (const getter of [newcomer, ...others]) {
    // Ten nodes in one process on a busy machine may miss a question's timeout; lookups are repeated, as a fetch does.
    let found: FoundProvider[] = []
    await until('it is found', async () => {
      found = (await find(getter, cid)).found
      return found.length > 0
    })
    expect(found).toEqual(expected)
  }
  await until('every table holds every server', () => hosts.every(one => one.routing.tableSize === 9), 30_000)
})

test('a record outlives its maker: a node between gives the addresses it was told', async () => {
  const [sharer, between] = [await host(), await host()]
  await sharer.dialer.connectTo(addrOf(between))
  const cid = someCid('outlives')
  expect(await sharer.routing.provide(cid)).toEqual({ nodes: 1 })
  const addr = addrOf(sharer)
  await sharer.stop()
  const getter = await host({ dht: { mode: 'client' } })
  await getter.dialer.connectTo(addrOf(between))
  expect((await find(getter, cid)).found).toEqual([{ id: sharer.peerId, addrs: [bare(addr)] }])
})

test('a node that was started anew holds no record: whoever announced there is to do so again', async () => {
  const privateKey = await generateKeyPair('Ed25519')
  const [sharer, holder] = [await host(), await host({ privateKey })]
  await sharer.dialer.connectTo(addrOf(holder))
  const cid = someCid('anew')
  expect(await sharer.routing.provide(cid)).toEqual({ nodes: 1 })
  expect(sharer.routing.isThin(cid)).toBe(false)
  await holder.stop()
  await until('the holder is lost', () => sharer.libp2p.getConnections().length === 0)
  const back = await host({ privateKey })
  await back.dialer.connectTo(addrOf(sharer))
  await until('it is back', () => sharer.libp2p.getConnections().length > 0)
  expect(sharer.routing.isThin(cid)).toBe(true)
  expect(await sharer.routing.provide(cid)).toEqual({ nodes: 1 })
  expect(sharer.routing.isThin(cid)).toBe(false)
})

test('so does one that connects while the connection of its earlier process, whose power was cut, seems to be there', async () => {
  const privateKey = await generateKeyPair('Ed25519')
  const [sharer, holder] = [await host(), await host({ privateKey })]
  await sharer.dialer.connectTo(addrOf(holder))
  const cid = someCid('power')
  expect(await sharer.routing.provide(cid)).toEqual({ nodes: 1 })
  const back = await host({ privateKey })
  await back.dialer.connectTo(addrOf(sharer))
  await until('both seem to be there', () => sharer.libp2p.getConnections().length === 2)
  expect(sharer.routing.isThin(cid)).toBe(true)
  await holder.stop()
  await until('one is left', () => sharer.libp2p.getConnections().length === 1)
  expect(await sharer.routing.provide(cid)).toEqual({ nodes: 1 })
  expect(sharer.routing.isThin(cid)).toBe(false)
})

test('a node that was started anew while others still took the record holds none either', async () => {
  const privateKey = await generateKeyPair('Ed25519')
  const [sharer, holder] = [await host(), await host({ privateKey })]
  await sharer.dialer.connectTo(addrOf(holder))
  const { dht } = sharer.libp2p.services
  const provide = dht.provide.bind(dht)
  vi.spyOn(dht, 'provide').mockImplementationOnce(async function* (cid, options) {
    yield* provide(cid, options)
    await holder.stop()
    await until('the holder is lost', () => sharer.libp2p.getConnections().length === 0)
    const back = await host({ privateKey })
    await back.dialer.connectTo(addrOf(sharer))
    await until('it is back', () => sharer.libp2p.getConnections().length > 0)
  })
  const cid = someCid('meanwhile')
  expect(await sharer.routing.provide(cid)).toEqual({ nodes: 1 })
  expect(sharer.routing.isThin(cid)).toBe(true)
  expect(await sharer.routing.provide(cid)).toEqual({ nodes: 1 })
  expect(sharer.routing.isThin(cid)).toBe(false)
})

test('a node that knows nobody gets an answer in seconds: none was asked', async () => {
  const alone = await host({ dht: { mode: 'client' } })
  expect(await find(alone, someCid('alone'))).toEqual({
    found: [],
    stats: { asked: 0, answered: 0, failed: 0, providers: 0 }
  })
})

test('what nobody has: all were asked, and who does not answer is told and left out next time', async () => {
  const [a, b, c] = [await host(), await host(), await host()]
  for (const other of [b, c]) await a.dialer.connectTo(addrOf(other))
  await until('everyone knows everyone', () => [a, b, c].every(one => one.routing.tableSize === 2))
  const getter = await host({ dht: { mode: 'client' } })
  await getter.dialer.connectTo(addrOf(a))
  await until('the getter knows all', () => getter.routing.tableSize === 3)
  const cid = someCid('nobody')
  expect((await find(getter, cid)).stats).toEqual({ asked: 3, answered: 3, failed: 0, providers: 0 })
  await c.stop()
  expect((await find(getter, cid)).stats).toEqual({ asked: 3, answered: 2, failed: 1, providers: 0 })
  await until('it left the table', () => getter.routing.tableSize === 2)
  expect((await find(getter, cid)).stats).toMatchObject({ answered: 2 })
})

test('providers without addresses hold up nobody: the real one is named while they are looked for', async () => {
  const [holder, sharer, bad] = [await host(), await host(), await host()]
  await sharer.dialer.connectTo(addrOf(holder))
  await until('tables', () => sharer.routing.tableSize > 0 && holder.routing.tableSize > 0)
  const cid = someCid('crowd')
  await sharer.routing.provide(cid)
  const crowd = Array.from({ length: 40 }, () => ({ id: nobody(), addrs: [] }))
  const homeless = { ...nameOf(sharer), addrs: [] }
  const getter = await host({ dht: { mode: 'client' } })
  // nobody answers where the others are
  await answerAs(bad, type => {
    if (type === TYPES.GET_PROVIDERS) return { closer: [nameOf(holder)], providers: [homeless, ...crowd] }
    return type === TYPES.PING ? {} : undefined
  })
  await getter.dialer.connectTo(addrOf(bad))
  await getter.routing.ready()
  const lookup = getter.routing.findProviders(cid, { signal: AbortSignal.timeout(20_000) })
  const found: FoundProvider[] = []
  for await (const provider of lookup) {
    found.push(provider)
    if (provider.id === sharer.peerId) break
  }
  expect(found.at(-1)).toEqual({ id: sharer.peerId, addrs: nameOf(sharer).addrs })
  // it did not have to wait for all of them
  expect(found.length).toBeLessThan(40)
  expect(lookup.stats.providers).toBe(41)
})

test('a provider whom a liar names first with addresses that lead nowhere is named again with its own', async () => {
  const [holder, sharer, bad] = [await host(), await host(), await host()]
  await sharer.dialer.connectTo(addrOf(holder))
  await until('tables', () => sharer.routing.tableSize > 0 && holder.routing.tableSize > 0)
  const cid = someCid('lie')
  await sharer.routing.provide(cid)
  const lie = { ...nameOf(sharer), addrs: Array.from({ length: 32 }, (_, i) => `/ip4/127.0.0.9/tcp/${i + 1}`) }
  const getter = await host({ dht: { mode: 'client' } })
  await answerAs(bad, type => {
    if (type === TYPES.GET_PROVIDERS) return { closer: [nameOf(holder)], providers: [lie] }
    return type === TYPES.PING ? {} : undefined
  })
  await getter.dialer.connectTo(addrOf(bad))
  await getter.routing.ready()
  const { found, stats } = await find(getter, cid)
  expect(found.map(({ id }) => id)).toEqual([sharer.peerId, sharer.peerId])
  expect(found.at(-1)?.addrs).toContain(bare(addrOf(sharer)))
  expect(stats.providers).toBe(1)
})

test('one answer has one vote on where a provider is, however often it names it', async () => {
  const [holder, sharer, bad] = [await host(), await host(), await host()]
  await sharer.dialer.connectTo(addrOf(holder))
  await until('tables', () => sharer.routing.tableSize > 0 && holder.routing.tableSize > 0)
  const cid = someCid('votes')
  await sharer.routing.provide(cid)
  const lie = { ...nameOf(sharer), addrs: Array.from({ length: 8 }, (_, i) => `/ip4/127.0.0.9/tcp/${i + 1}`) }
  const getter = await host({ dht: { mode: 'client' } })
  await answerAs(bad, type => {
    if (type === TYPES.GET_PROVIDERS) {
      return { closer: [nameOf(holder)], providers: Array.from({ length: 20 }, () => lie) }
    }
    return type === TYPES.PING ? {} : undefined
  })
  await getter.dialer.connectTo(addrOf(bad))
  await getter.routing.ready()
  const { found } = await find(getter, cid)
  expect(found.flatMap(({ addrs }) => addrs)).toContain(bare(addrOf(sharer)))
})

test("an answer that names a provider at what is no address ends nobody's lookup", async () => {
  const [holder, sharer, bad] = [await host(), await host(), await host()]
  await sharer.dialer.connectTo(addrOf(holder))
  await until('tables', () => sharer.routing.tableSize > 0 && holder.routing.tableSize > 0)
  const cid = someCid('odd')
  await sharer.routing.provide(cid)
  // a host name with a slash: bytes of which no text can be read again
  const odd = Uint8Array.from([54, 3, ...Buffer.from('a/b'), 6, 16, 64])
  const addrs = [...Array.from({ length: 12 }, (_, i) => `/ip4/127.0.0.9/tcp/${i + 1}`), odd]
  await answerAs(bad, type => {
    if (type === TYPES.GET_PROVIDERS) return { closer: [nameOf(holder)], providers: [{ id: nobody(), addrs }] }
    return type === TYPES.PING ? {} : undefined
  })
  const getter = await host({ dht: { mode: 'client' } })
  await getter.dialer.connectTo(addrOf(bad))
  await getter.routing.ready()
  const { found } = await find(getter, cid)
  expect(found.map(({ id }) => id)).toContain(sharer.peerId)
})

test('withdrawn: this node no longer names itself', async () => {
  const [a, b] = [await host(), await host({ dht: { mode: 'client' } })]
  await b.dialer.connectTo(addrOf(a))
  const cid = someCid('withdrawn')
  await a.routing.hold(cid)
  expect((await find(b, cid)).found).toHaveLength(1)
  await a.routing.withdraw(cid)
  expect((await find(b, cid)).found).toHaveLength(0)
})

test('clients that provide stay out of routing tables, until they become servers', async () => {
  const [a, b] = [await host(), await host()]
  const client = await host({ dht: { mode: 'client' } })
  await b.dialer.connectTo(addrOf(a))
  await client.dialer.connectTo(addrOf(a))
  const cid = someCid('client')
  expect((await client.routing.provide(cid)).nodes).toBeGreaterThan(0)
  expect((await find(b, cid)).found.map(one => one.id)).toEqual([client.peerId])
  await until('b has met it', () => b.libp2p.getPeers().some(id => id.toString() === client.peerId))
  await until('it is in no table', () => a.routing.tableSize === 1 && b.routing.tableSize === 1)
  await client.routing.setMode('server')
  await until('it is in every table', () => a.routing.tableSize === 2 && b.routing.tableSize === 2)
})

test('an early end of the loop, or of the signal, ends the lookup', async () => {
  const [a, b] = [await host(), await host()]
  await b.dialer.connectTo(addrOf(a))
  const cid = someCid('early')
  await a.routing.hold(cid)
  const lookup = b.routing.findProviders(cid)
  for await (const _ of lookup) break
  expect(lookup.stats.providers).toBe(1)
  const abort = new AbortController()
  abort.abort()
  for await (const _ of b.routing.findProviders(cid, abort)) expect.unreachable()
})
