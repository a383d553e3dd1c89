/** The addresses of a node change while it runs: another network, a new lease. */
import { createHash } from 'node:crypto'
import { CODE_P2P, type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { afterEach, expect, test, vi } from 'vitest'
import { cidOf, RAW } from '../../../src/content/cid.ts'
import { MAX_DIALLED_ADDRS } from '../../../src/node/host/addresses.ts'
import type { Host } from '../../../src/node/host/create-host.ts'
import { LOOK_EVERY_MS } from '../../../src/node/host/first-contact.ts'
import { HostContacts } from '../../../src/node/host/host-contacts.ts'
import { addrOf, host, until } from './test-hosts.ts'

interface Inner {
  components: {
    transportManager: { listen(addrs: Multiaddr[]): Promise<void>; getAddrs(): Multiaddr[] }
    addressManager: { addObservedAddr(addr: Multiaddr): void }
  }
}

afterEach(() => void vi.useRealTimers())

const bare = (of: Host) => of.addrs().map(addr => multiaddr(addr).decapsulateCode(CODE_P2P).toString())

test('who asks a node about what it holds is told where it is now', async () => {
  const [sharer, getter] = [await host(), await host({ dht: { mode: 'client' } })]
  const cid = cidOf(RAW, createHash('sha256').update('moved').digest())
  await sharer.routing.hold(cid)
  await getter.dialer.connectTo(addrOf(sharer))
  await getter.routing.ready()
  await (sharer.libp2p as unknown as Inner).components.transportManager.listen([multiaddr('/ip4/127.0.0.1/tcp/0')])
  expect(bare(sharer)).toHaveLength(2)
  await until('both are told', async () => {
    const told: string[] = []
    for await (const { addrs } of getter.routing.findProviders(cid)) told.push(...addrs)
    return told.sort().join() === bare(sharer).sort().join()
  })
})

test('whoever is connected is told where it is now', async () => {
  const [moving, friend] = [await host(), await host()]
  await moving.dialer.connectTo(addrOf(friend))
  await until('it was identified', async () => (await friend.routing.findPeer(moving.peerId)).length > 0)
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
  const book = { recent: () => [], find: () => undefined, saw: () => {}, flush: async () => {} }
  const contacts = new HostContacts({ host: moving, book, peers: [] })
  await contacts.start()
  const push = vi.spyOn(moving.libp2p.services.identifyPush, 'push')
  await (moving.libp2p as unknown as Inner).components.transportManager.listen([multiaddr('/ip4/127.0.0.1/tcp/0')])
  await vi.advanceTimersByTimeAsync(LOOK_EVERY_MS)
  vi.useRealTimers()
  expect(push).toHaveBeenCalledOnce()
  await until('it knows both', async () => {
    const known = await friend.routing.findPeer(moving.peerId)
    return known.sort().join() === bare(moving).sort().join()
  })
  await contacts.stop()
})

test('whoever never says who it is keeps nobody else from being told', async () => {
  const [moving, mute, friend] = [await host(), await host(), await host()]
  vi.spyOn(mute.libp2p.services.identify, 'identify').mockRejectedValue(new Error('it says nothing'))
  vi.spyOn(mute.libp2p.services.identifyPush, 'push').mockResolvedValue()
  await mute.libp2p.unhandle([...mute.libp2p.getProtocols()])
  await mute.libp2p.dial(multiaddr(addrOf(moving)))
  await moving.dialer.connectTo(addrOf(friend))
  await until('both are identified', async () => {
    const known = await friend.routing.findPeer(moving.peerId)
    return known.length > 0 && (await moving.routing.findPeer(friend.peerId)).length > 0
  })
  expect(moving.libp2p.getConnections().map(({ remotePeer }) => remotePeer.toString())[0]).toBe(mute.peerId)
  expect(await moving.libp2p.peerStore.has(mute.libp2p.peerId)).toBe(false)
  await (moving.libp2p as unknown as Inner).components.transportManager.listen([multiaddr('/ip4/127.0.0.1/tcp/0')])
  await moving.libp2p.services.identifyPush.push()
  await until('the friend knows both', async () => {
    const known = await friend.routing.findPeer(moving.peerId)
    return known.sort().join() === bare(moving).sort().join()
  })
})

test('a public address of the machine is one of the node; one that a stranger says it saw is not', async () => {
  const server = await host()
  const { transportManager, addressManager } = (server.libp2p as unknown as Inner).components
  const addrs = ['/ip4/8.20.30.40/tcp/4160', '/ip6/2a01:4f8:1:2::3/tcp/4160', '/ip4/192.168.7.7/tcp/4160']
  vi.spyOn(transportManager, 'getAddrs').mockReturnValue(
    ['/ip4/127.0.0.1/tcp/4160', ...addrs].map(text => multiaddr(text))
  )
  addressManager.addObservedAddr(multiaddr('/ip4/8.50.60.70/tcp/4160'))
  expect(bare(server)).toEqual(addrs)
})

test('of a server that runs containers the public address is named first, and no more than others dial', async () => {
  const server = await host()
  const { transportManager } = (server.libp2p as unknown as Inner).components
  const containers = Array.from({ length: 20 }, (_, i) => `/ip4/172.17.${i}.1/tcp/4160`)
  const outside = '/ip4/8.20.30.40/tcp/4160'
  vi.spyOn(transportManager, 'getAddrs').mockReturnValue([...containers, outside].map(text => multiaddr(text)))
  expect(bare(server)).toEqual([outside, ...containers.slice(0, MAX_DIALLED_ADDRS - 1)])
})

test('of a machine with many networks a public address of each kind comes first', async () => {
  const server = await host()
  const { transportManager } = (server.libp2p as unknown as Inner).components
  const networks = [17, 18, 19, 20, 21, 22, 23, 24].map(n => `/ip4/172.${n}.0.1/tcp/4160`)
  const outside = ['/ip4/8.20.30.40/tcp/4160', '/ip6/2a01:4f8:1:2::3/tcp/4160']
  const [four = '', six = ''] = outside
  vi.spyOn(transportManager, 'getAddrs').mockReturnValue([...networks, four, six].map(text => multiaddr(text)))
  expect(bare(server)).toEqual([...outside, ...networks])
})
