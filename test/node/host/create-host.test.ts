import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { multiaddr } from '@multiformats/multiaddr'
import { expect, test } from 'vitest'
import { cidOf, RAW } from '../../../src/content/cid.ts'
import type { Host } from '../../../src/node/host/create-host.ts'
import { answerAs, nobody } from '../../dht/hostile-node.ts'
import { addrOf, host, until } from './test-hosts.ts'

test('addresses end in the peer ID, with the real port', async () => {
  const a = await host()
  expect(a.addrs()).toHaveLength(1)
  expect(addrOf(a)).toMatch(new RegExp(`^/ip4/127\\.0\\.0\\.1/tcp/[1-9]\\d*/p2p/${a.peerId}$`))
})

test('a port in use is an error that names the address, however many others work', async () => {
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  const taken = `/ip4/127.0.0.1/tcp/${typeof address === 'object' && address !== null ? address.port : 0}`
  await expect(host({ listen: ['/ip4/127.0.0.1/tcp/0', taken] })).rejects.toMatchObject({
    code: 'ERR_PORT_IN_USE',
    message: expect.stringContaining(taken),
    hint: expect.stringContaining('--listen')
  })
  await new Promise(resolve => server.close(resolve))
})

test('an address of another machine, and one that is none', async () => {
  await expect(host({ listen: ['/ip4/192.0.2.1/tcp/0'] })).rejects.toMatchObject({
    code: 'ERR_PORT_IN_USE',
    message: expect.stringContaining('no such address')
  })
  await expect(host({ listen: ['127.0.0.1:4160'] })).rejects.toMatchObject({ code: 'ERR_BAD_MULTIADDR' })
})

test('a node that listens nowhere can dial', async () => {
  const [a, b] = [await host({ listen: [], dht: { mode: 'client' } }), await host()]
  expect(a.addrs()).toEqual([])
  expect(await a.dialer.connectTo(addrOf(b))).toBe(b.peerId)
})

test('a swarm behind one address: sixteen nodes dial one at once', async () => {
  const hub = await host()
  const others = await Promise.all(Array.from({ length: 16 }, () => host({ listen: [], dht: { mode: 'client' } })))
  await Promise.all(others.map(one => one.dialer.connectTo(addrOf(hub))))
  await until('the hub sees all', () => hub.libp2p.getPeers().length === 16)
})

function resources(): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const type of process.getActiveResourcesInfo()) counts[type] = (counts[type] ?? 0) + 1
  return counts
}

test('nothing that would keep the process alive is left after stop', async () => {
  const before = resources()
  const hosts = await Promise.all([host(), host(), host()])
  for (const one of hosts.slice(1)) await one.dialer.connectTo(addrOf(hosts[0] as Host))
  await hosts[1]?.routing.provide(cidOf(RAW, new Uint8Array(32)))
  await Promise.all(hosts.map(one => one.stop()))
  // Closed sockets leave the list a turn later.
  for (let turn = 0; turn < 5; turn++) await new Promise(resolve => setImmediate(resolve))
  const after = resources()
  for (const type of ['TCPSocketWrap', 'TCPServerWrap', 'Timeout']) {
    expect(after[type] ?? 0, type).toBeLessThanOrEqual(before[type] ?? 0)
  }
})

test('a Unix socket of this machine is not dialled, whoever names it', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'shoal-unix-'))
  const path = join(folder, 'socket')
  let came = 0
  const server = createServer(socket => {
    came++
    socket.destroy()
  })
  await new Promise<void>(resolve => server.listen(path, resolve))
  try {
    const [node, bad] = [await host(), await host()]
    const unix = `/unix/${encodeURIComponent(path)}`
    const named = { id: nobody(), addrs: [unix] }
    let asked = 0
    await answerAs(bad, () => {
      asked++
      return { closer: [named], providers: [named] }
    })
    await bad.dialer.connectTo(addrOf(node))
    await until('asked', () => asked > 0)
    const found: string[] = []
    for await (const { id, addrs } of node.routing.findProviders(cidOf(RAW, new Uint8Array(32)))) {
      found.push(id)
      await expect(
        node.dialer.dial({ id, addrs, seeder: false }, { signal: AbortSignal.timeout(3_000) })
      ).rejects.toThrow()
      break
    }
    expect(found).toHaveLength(1)
    await expect(node.libp2p.dial(multiaddr(unix), { signal: AbortSignal.timeout(3_000) })).rejects.toThrow()
    expect(came).toBe(0)
  } finally {
    await new Promise(resolve => server.close(resolve))
    await rm(folder, { recursive: true })
  }
})
