/** Two days and more pass while nodes run, or the clock says so: whoever is announced is still named, with its addresses. */
import { generateKeyPair } from '@libp2p/crypto/keys'
import { multiaddr } from '@multiformats/multiaddr'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { HOUR_MS } from '../../../src/base/units.ts'
import type { Host } from '../../../src/node/host/create-host.ts'
import { randomCid } from '../../dht/hostile-node.ts'
import { addrOf, host, until } from './test-hosts.ts'

beforeEach(() => void vi.useFakeTimers({ toFake: ['Date'], now: Date.now() }))
afterEach(() => void vi.useRealTimers())

const leap = (ms: number) => vi.setSystemTime(Date.now() + ms)

/** kad-dht's, each hour. */
async function cleanUp(of: Host): Promise<void> {
  const dht = of.libp2p.services.dht as unknown as { reprovider: { processRecords(): Promise<void>; stop(): void } }
  await dht.reprovider.processRecords()
}

/** With where they are. */
async function namedBy(holder: Host, getter: Host, cid: ReturnType<typeof randomCid>): Promise<Map<string, string[]>> {
  await getter.dialer.connectTo(addrOf(holder))
  await getter.routing.ready()
  const named = new Map<string, string[]>()
  for await (const { id, addrs } of getter.routing.findProviders(cid)) named.set(id, addrs)
  return named
}

async function sharerAndHolder(): Promise<[Host, Host]> {
  const [sharer, holder] = [await host(), await host()]
  await sharer.dialer.connectTo(addrOf(holder))
  await until('tables', () => sharer.routing.tableSize > 0 && holder.routing.tableSize > 0)
  return [sharer, holder]
}

test('a node that is announced every 22 hours is named after days', async () => {
  const [sharer, holder] = await sharerAndHolder()
  const cid = randomCid()
  for (let round = 0; round < 3; round++) {
    expect((await sharer.routing.provide(cid)).nodes).toBe(1)
    leap(22 * HOUR_MS)
  }
  const addrs = [multiaddr(addrOf(sharer)).decapsulate('/p2p').toString()]
  const id = sharer.peerId
  await sharer.stop()
  expect(await namedBy(holder, await host({ dht: { mode: 'client' } }), cid)).toEqual(new Map([[id, addrs]]))
})

test.each([
  ['ahead', 1],
  ['back', -1]
])('a clock that leaps years %s hides nobody', async (_name, sign) => {
  const [sharer, holder] = await sharerAndHolder()
  const cid = randomCid()
  await sharer.routing.provide(cid)
  const addrs = [multiaddr(addrOf(sharer)).decapsulate('/p2p').toString()]
  const id = sharer.peerId
  await sharer.stop()
  leap(sign * 10 * 365 * 24 * HOUR_MS)
  await cleanUp(holder)
  expect(await namedBy(holder, await host({ dht: { mode: 'client' } }), cid)).toEqual(new Map([[id, addrs]]))
})

test('a node that says other addresses is believed, though its clock was set back', async () => {
  const privateKey = await generateKeyPair('Ed25519')
  const [moving, friend] = [await host({ privateKey }), await host()]
  leap(365 * 24 * HOUR_MS)
  await moving.dialer.connectTo(addrOf(friend))
  await until('it was identified', () => friend.routing.tableSize > 0)
  await moving.stop()
  leap(-365 * 24 * HOUR_MS)
  const moved = await host({ privateKey })
  await moved.dialer.connectTo(addrOf(friend))
  await until('it is known where it is', async () => {
    const known = await friend.routing.findPeer(moved.peerId)
    return known.join() === multiaddr(addrOf(moved)).decapsulate('/p2p').toString()
  })
})

test.each([-3, 3, -10 * 365 * 24, 10 * 365 * 24])('lookups go on after the clock leapt by %i hours', async hours => {
  const [sharer, getter] = await sharerAndHolder()
  const cid = randomCid()
  await sharer.routing.provide(cid)
  expect([...(await namedBy(sharer, getter, cid)).keys()]).toEqual([sharer.peerId])
  leap(hours * HOUR_MS)
  for (let i = 0; i < 3; i++) {
    const lookup = getter.routing.findProviders(cid)
    for await (const { id } of lookup) expect(id).toBe(sharer.peerId)
    expect(lookup.stats).toMatchObject({ answered: 1, failed: 0 })
  }
})
