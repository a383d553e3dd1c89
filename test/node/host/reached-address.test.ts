/** A peer behind a router whose port is forwarded does not know the address at which others reach it. */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { expect, test } from 'vitest'
import { randomCid } from '../../dht/hostile-node.ts'
import { freePort } from '../../helpers/free-port.ts'
import { addrOf, host, until } from './test-hosts.ts'

/** A router with a forwarded port, at an address of its own. */
async function routerTo(port: number) {
  const open = new Set<Socket>()
  let taken = 0
  const router = createServer(socket => {
    taken += 1
    const on = connect(port, '127.0.0.1')
    for (const one of [socket, on]) {
      open.add(one)
      one.on('error', () => {})
    }
    socket.pipe(on).pipe(socket)
  })
  router.listen(0, '127.0.0.2')
  await once(router, 'listening')
  return {
    addr: `/ip4/127.0.0.2/tcp/${(router.address() as AddressInfo).port}`,
    taken: () => taken,
    /** One that was reset does not end the other. */
    close: async () => {
      for (const one of open) one.destroy()
      await new Promise(resolve => router.close(resolve))
    }
  }
}

test('where a peer was reached is told to others, beside what it says itself', async () => {
  const inside = await host()
  const router = await routerTo(Number(/tcp\/(\d+)/.exec(addrOf(inside))?.[1]))
  const outside = router.addr

  const [friend, getter] = [await host(), await host({ dht: { mode: 'client' } })]
  await friend.dialer.connectTo(outside)
  await until('tables', () => inside.routing.tableSize > 0 && friend.routing.tableSize > 0)
  const cid = randomCid()
  await inside.routing.provide(cid)
  await getter.dialer.connectTo(addrOf(friend))
  await until('it is named', async () => {
    for await (const { id, addrs } of getter.routing.findProviders(cid)) {
      if (id === inside.peerId) expect(addrs).toContain(outside)
      if (id === inside.peerId) return true
    }
    return false
  })
  await inside.stop()
  await router.close()
})

test('a peer that its user told where it is found outside tells others before anybody has dialled it there', async () => {
  const port = await freePort()
  const router = await routerTo(port)
  const inner = `/ip4/127.0.0.1/tcp/${port}`
  const inside = await host({ listen: [inner], announce: [router.addr, router.addr] })
  expect(inside.addrs()).toEqual([router.addr, inner].map(addr => `${addr}/p2p/${inside.peerId}`))

  const [friend, getter] = [await host(), await host({ dht: { mode: 'client' } })]
  await inside.dialer.connectTo(addrOf(friend))
  await until('tables', () => inside.routing.tableSize > 0 && friend.routing.tableSize > 0)
  const cid = randomCid()
  await inside.routing.provide(cid)
  await getter.dialer.connectTo(addrOf(friend))
  const named: string[] = []
  for await (const { id, addrs } of getter.routing.findProviders(cid)) if (id === inside.peerId) named.push(...addrs)
  expect(named).toContain(router.addr)
  expect(router.taken()).toBe(0)
  const stranger = await host({ dht: { mode: 'client' } })
  await stranger.dialer.connectTo(`${router.addr}/p2p/${inside.peerId}`)
  expect(router.taken()).toBe(1)
  await inside.stop()
  await router.close()
})
