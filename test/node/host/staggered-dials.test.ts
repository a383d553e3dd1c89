import { createServer, type Socket } from 'node:net'
import { generateKeyPair } from '@libp2p/crypto/keys'
import type { Connection } from '@libp2p/interface'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { expect, test } from 'vitest'
import { DialGuard } from '../../../src/node/host/dial-guard.ts'
import { type DialQueueView, staggerDials } from '../../../src/node/host/staggered-dials.ts'
import { addrOf, host } from './test-hosts.ts'

const at = (n: number) => `/ip4/192.0.2.${n}/tcp/4160`
const peerId = peerIdFromPrivateKey(await generateKeyPair('Ed25519'))

type Fate = 'silent' | 'refused' | 'there'

/** A dial queue to addresses of these fates. */
function queueTo(fates: Record<string, Fate>, guard = new DialGuard(), maxAddrs = 16) {
  const dialled: string[] = []
  const calledOff: string[] = []
  const stored: string[] = []
  const dial = async (addr: Multiaddr, { signal }: { signal: AbortSignal }) => {
    const text = addr.toString()
    dialled.push(text)
    if (fates[text] === 'there') return { remotePeer: peerId, remoteAddr: addr } as Connection
    if (fates[text] === 'refused') throw new Error(`refused by ${text}`)
    return await new Promise<Connection>((_, reject) =>
      signal.addEventListener('abort', () => {
        calledOff.push(text)
        reject(signal.reason)
      })
    )
  }
  const queue: DialQueueView = {
    components: {
      transportManager: { dial },
      peerStore: {
        merge: async (_, { multiaddrs = [] }) => {
          stored.push(String(multiaddrs))
          return undefined as never
        }
      }
    },
    dialPeer: async () => undefined as never,
    calculateMultiaddrs: async (_, addrs) => [...addrs].map(addr => ({ multiaddr: multiaddr(addr) }))
  }
  staggerDials(queue, { guard, maxAddrs, addressTimeoutMs: 60_000 })
  const reach = (signal = new AbortController().signal) =>
    queue.dialPeer({ peerId, multiaddrs: new Set(Object.keys(fates)) }, signal)
  return { queue, reach, dialled, calledOff, stored }
}

test('who says nothing at its first addresses is reached at the next, and the first are called off', async () => {
  const { reach, dialled, calledOff, stored } = queueTo({ [at(1)]: 'silent', [at(2)]: 'silent', [at(3)]: 'there' })
  expect((await reach()).remoteAddr.toString()).toBe(at(3))
  expect(dialled).toEqual([at(1), at(2), at(3)])
  expect(calledOff).toEqual([at(1), at(2)])
  expect(stored).toEqual([at(3)])
})

test('what worked before is tried first, what failed last', async () => {
  const guard = new DialGuard()
  guard.failed(at(1), 0)
  guard.succeeded(at(3), peerId.toString())
  const first = queueTo({ [at(1)]: 'silent', [at(2)]: 'silent', [at(3)]: 'there' }, guard)
  await first.reach()
  expect(first.dialled).toEqual([at(3)])
  const second = queueTo({ [at(1)]: 'there', [at(2)]: 'refused', [at(3)]: 'refused' }, guard)
  await second.reach()
  expect(second.dialled).toEqual([at(3), at(2), at(1)])
})

test('when all fail, all reasons are told; of one alone its own', async () => {
  await expect(queueTo({ [at(1)]: 'refused', [at(2)]: 'refused' }).reach()).rejects.toMatchObject({
    errors: [{ message: `refused by ${at(1)}` }, { message: `refused by ${at(2)}` }]
  })
  await expect(queueTo({ [at(1)]: 'refused' }).reach()).rejects.toThrow(`refused by ${at(1)}`)
})

test('a limit ends all that are under way, and no other begins', async () => {
  const limit = new AbortController()
  const { reach, dialled, calledOff } = queueTo({ [at(1)]: 'refused', [at(2)]: 'silent', [at(3)]: 'there' })
  const reached = reach(limit.signal)
  reached.catch(() => {})
  while (dialled.length < 2) await new Promise(resolve => setImmediate(resolve))
  limit.abort()
  await expect(reached).rejects.toMatchObject({ name: 'TimeoutError' })
  expect(dialled).toEqual([at(1), at(2)])
  expect(calledOff).toEqual([at(2)])
})

test('no more addresses than are allowed, those added meanwhile included', async () => {
  const fates = Object.fromEntries([1, 2, 3, 4].map(n => [at(n), 'refused' as const]))
  const { queue, dialled } = queueTo(fates, undefined, 3)
  const multiaddrs = new Set([at(1), at(2)])
  const { transportManager } = queue.components
  const { dial } = transportManager
  transportManager.dial = async (addr, options) => {
    if (addr.toString() === at(2)) for (const n of [1, 3, 4]) multiaddrs.add(at(n))
    return await dial(addr, options)
  }
  await expect(queue.dialPeer({ peerId, multiaddrs }, new AbortController().signal)).rejects.toThrow()
  // what failed counts, too: of those added, the ones that were tried are left out
  expect(dialled).toEqual([at(1), at(2), at(3)])
})

test('an address that is told while the first says nothing is dialled beside it, not after it', async () => {
  const { queue, dialled, calledOff } = queueTo({ [at(1)]: 'silent', [at(2)]: 'silent', [at(3)]: 'there' })
  const multiaddrs = new Set([at(1)])
  const { transportManager } = queue.components
  const { dial } = transportManager
  transportManager.dial = (addr, options) => {
    const dialling = dial(addr, options)
    if (addr.toString() === at(1)) for (const n of [2, 3]) multiaddrs.add(at(n))
    return dialling
  }
  const connection = await queue.dialPeer({ peerId, multiaddrs }, new AbortController().signal)
  expect(connection.remoteAddr.toString()).toBe(at(3))
  expect(dialled).toEqual([at(1), at(2), at(3)])
  expect(calledOff).toEqual([at(1), at(2)])
})

test('a peer is reached behind addresses that take a connection and say nothing', async () => {
  const sockets = new Set<Socket>()
  const servers = [1, 2].map(() => createServer(socket => sockets.add(socket.on('error', () => {}))))
  const silent = await Promise.all(
    servers.map(async server => {
      await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
      const address = server.address()
      return `/ip4/127.0.0.1/tcp/${typeof address === 'object' && address !== null ? address.port : 0}`
    })
  )
  const [peer, seeker] = [await host(), await host()]
  await peer.dialer.onStream(() => {})
  const addrs = [...silent, addrOf(peer).replace(/\/p2p\/.*/, '')]
  const stream = await seeker.dialer.dial(
    { id: peer.peerId, addrs, seeder: false },
    { signal: AbortSignal.timeout(60_000) }
  )
  expect(stream.peerId).toBe(peer.peerId)
  expect(sockets.size).toBe(2)
  for (const socket of sockets) socket.destroy()
  await Promise.all(servers.map(server => new Promise(resolve => server.close(resolve))))
})
