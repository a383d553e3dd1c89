/** A peer behind a router whose port is forwarded does not know the address at which others reach it. */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { expect, test } from 'vitest'
import { randomCid } from '../../dht/hostile-node.ts'
import { addrOf, host, until } from './test-hosts.ts'

test('where a peer was reached is told to others, beside what it says itself', async () => {
  const inside = await host()
  const port = Number(/tcp\/(\d+)/.exec(addrOf(inside))?.[1])
  const open = new Set<Socket>()
  const router = createServer(socket => {
    const on = connect(port, '127.0.0.1')
    for (const one of [socket, on]) {
      open.add(one)
      one.on('error', () => {})
    }
    socket.pipe(on).pipe(socket)
  })
  router.listen(0, '127.0.0.2')
  await once(router, 'listening')
  const outside = `/ip4/127.0.0.2/tcp/${(router.address() as AddressInfo).port}`

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
  // one that was reset does not end the other
  for (const one of open) one.destroy()
  await new Promise(resolve => router.close(resolve))
})
