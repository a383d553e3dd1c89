import { createServer as createHttpServer } from 'node:http'
import { createServer, type Server, type Socket } from 'node:net'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { afterEach, expect, test } from 'vitest'
import { addrOf, host, until } from './test-hosts.ts'

const servers = new Set<Server>()
afterEach(async () => {
  await Promise.all([...servers].map(server => new Promise(resolve => server.close(resolve))))
  servers.clear()
})

async function listening(server: Server): Promise<string> {
  servers.add(server)
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  return `/ip4/127.0.0.1/tcp/${typeof address === 'object' && address !== null ? address.port : 0}`
}

const someId = async () => peerIdFromPrivateKey(await generateKeyPair('Ed25519')).toString()

test('connectTo gives the peer ID, with and without /p2p', async () => {
  const [a, b] = [await host(), await host()]
  expect(await a.dialer.connectTo(addrOf(b).replace(/\/p2p\/.*/, ''))).toBe(b.peerId)
  expect(await a.dialer.connectTo(addrOf(b))).toBe(b.peerId)
  expect(await a.dialer.connectTo(`/p2p/${b.peerId}`)).toBe(b.peerId)
})

test('nothing listens there: refused', async () => {
  const server = createServer()
  const addr = await listening(server)
  await new Promise(resolve => server.close(resolve))
  const a = await host()
  await expect(a.dialer.connectTo(addr)).rejects.toMatchObject({
    code: 'ERR_UNREACHABLE',
    message: `cannot reach ${addr}: connection refused: nothing listens there`
  })
})

test('a dial that had no network says so', async () => {
  const a = await host()
  const { signal } = new AbortController()
  // no TCP packet is ever sent to these
  const nowhere = ['/ip4/255.255.255.255/tcp/4160', '/ip4/224.0.0.1/tcp/4160']
  const dial = async (addrs: string[]) => a.dialer.dial({ id: await someId(), addrs, seeder: false }, { signal })
  await expect(dial(nowhere.slice(1))).rejects.toMatchObject({ details: { isSent: false } })
  await expect(dial(nowhere)).rejects.toMatchObject({ details: { isSent: false } })
  await expect(dial([...nowhere, '/ip4/127.0.0.1/tcp/1'])).rejects.toMatchObject({ details: { isSent: true } })
})

test('an HTTP server is told as such, and not by a time-out', async () => {
  const addr = await listening(createHttpServer((_request, response) => response.end('hello')))
  const a = await host()
  for (const target of [addr, `${addr}/p2p/${await someId()}`]) {
    await expect(a.dialer.connectTo(target)).rejects.toMatchObject({
      code: 'ERR_UNREACHABLE',
      details: { reason: 'not a libp2p node' }
    })
  }
})

test('a server that answers with silence is told within the dial timeout', async () => {
  const sockets = new Set<Socket>()
  const addr = await listening(createServer(socket => sockets.add(socket)))
  const a = await host()
  await expect(a.dialer.connectTo(addr)).rejects.toMatchObject({
    code: 'ERR_UNREACHABLE',
    details: { reason: expect.stringMatching(/^timed out: something listens there, but it is not a libp2p node/) }
  })
  for (const socket of sockets) socket.destroy()
})

test('another node than the one named: wrong peer ID', async () => {
  const [a, b] = [await host(), await host()]
  const addr = addrOf(b).replace(b.peerId, await someId())
  await expect(a.dialer.connectTo(addr)).rejects.toMatchObject({
    code: 'ERR_UNREACHABLE',
    details: { reason: 'wrong peer ID: another node answers there' }
  })
})

test('a node is told when it is pointed at itself', async () => {
  const a = await host()
  for (const addr of [addrOf(a), addrOf(a).replace(/\/p2p\/.*/, '')]) {
    await expect(a.dialer.connectTo(addr)).rejects.toMatchObject({ details: { reason: 'that is this node itself' } })
  }
})

test('dial opens a swarm stream to a peer by the addresses given', async () => {
  const [a, b] = [await host(), await host()]
  const taken = new Promise<string>(resolve => {
    void b.dialer.onStream(stream => resolve(`${stream.peerId} ${stream.outbound}`))
  })
  const stream = await a.dialer.dial(
    { id: b.peerId, addrs: [addrOf(b), 'nonsense'], seeder: false },
    { signal: AbortSignal.timeout(30_000) }
  )
  expect(stream).toMatchObject({ peerId: b.peerId, addr: addrOf(b).replace(/\/p2p\/.*/, ''), outbound: true })
  expect(await taken).toBe(`${a.peerId} false`)
})

test('dial tells a node that has no swarm from one that is not there', async () => {
  const [a, b] = [await host(), await host()]
  const signal = AbortSignal.timeout(30_000)
  await expect(a.dialer.dial({ id: b.peerId, addrs: [addrOf(b)], seeder: false }, { signal })).rejects.toMatchObject({
    code: 'ERR_UNREACHABLE',
    details: { reason: 'it does not speak shoal' }
  })
  await expect(a.dialer.dial({ id: 'nonsense', addrs: [], seeder: false }, { signal })).rejects.toMatchObject({
    code: 'ERR_UNREACHABLE'
  })
  const abort = new AbortController()
  abort.abort()
  await expect(a.dialer.dial({ id: await someId(), addrs: [], seeder: false }, abort)).rejects.toMatchObject({
    code: 'ERR_ABORTED'
  })
})

test('a peer without addresses is found by its ID through the DHT', async () => {
  const [a, between, b] = [await host(), await host(), await host()]
  await a.dialer.connectTo(addrOf(between))
  await b.dialer.connectTo(addrOf(between))
  await between.routing.ready()
  await b.dialer.onStream(() => {})
  await until('the table between holds both', () => between.routing.tableSize === 2)
  const stream = await a.dialer.dial(
    { id: b.peerId, addrs: [], seeder: false },
    { signal: AbortSignal.timeout(30_000) }
  )
  expect(stream.peerId).toBe(b.peerId)
})

test('a denied peer is refused in both directions', async () => {
  const banned = new Set<string>()
  const [a, b] = [await host({ denied: peer => banned.has(peer) }), await host()]
  banned.add(b.peerId)
  await expect(a.dialer.connectTo(addrOf(b))).rejects.toMatchObject({ code: 'ERR_UNREACHABLE' })
  await b.dialer.connectTo(addrOf(a)).catch(() => {})
  await until('the connection is gone', () => b.libp2p.getConnections().length === 0)
  expect(a.libp2p.getConnections()).toEqual([])
})

test('names from strangers are not resolved', async () => {
  const a = await host()
  const peer = { id: await someId(), addrs: ['/dns4/stranger.invalid/tcp/1'], seeder: false }
  await expect(a.dialer.dial(peer, { signal: AbortSignal.timeout(1_500) })).rejects.toMatchObject({
    message: expect.not.stringMatching(/host name/)
  })
})
