import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { type Logger, silentLogger } from '../../../src/base/log.ts'
import { HOUR_MS } from '../../../src/base/units.ts'
import type { Host } from '../../../src/node/host/create-host.ts'
import {
  FirstContact,
  type FirstContactInit,
  LOOK_EVERY_MS,
  pauseAfterRoundMs
} from '../../../src/node/host/first-contact.ts'
import { PEERS_FILE, PeerBook } from '../../../src/node/host/peer-book.ts'
import { freePort } from '../../helpers/free-port.ts'
import { addrOf, host, until } from './test-hosts.ts'

let dir: string
const contacts = new Set<FirstContact>()
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'shoal-peers-'))
})
afterEach(async () => {
  vi.useRealTimers()
  await Promise.all([...contacts].map(contact => contact.stop()))
  contacts.clear()
  await rm(dir, { recursive: true, force: true })
})

async function book(log: Logger = silentLogger): Promise<PeerBook> {
  const made = new PeerBook({ dataDir: dir, log })
  await made.load()
  return made
}

function contact(of: Host, init: Partial<FirstContactInit> & { book: PeerBook }): FirstContact {
  const made = new FirstContact({ libp2p: of.libp2p, dialer: of.dialer, peers: [], log: silentLogger, ...init })
  contacts.add(made)
  return made
}

function warnings(): { log: Logger; said: string[] } {
  const said: string[] = []
  const log: Logger = { ...silentLogger, warn: message => said.push(message), scope: () => log }
  return { log, said }
}

const someId = async () => peerIdFromPrivateKey(await generateKeyPair('Ed25519')).toString()

test('a peer given by hand is remembered and found again after a restart, without being told', async () => {
  const lasting = await host()
  const first = await host()
  const met = await book()
  const before = contact(first, { book: met, peers: [addrOf(lasting).replace(/\/p2p\/.*/, '')] })
  await before.start()
  expect(first.libp2p.getPeers().map(String)).toEqual([lasting.peerId])
  await until('it was identified', () => met.recent().length > 0)
  await before.stop()
  const written = await book()
  expect(written.recent()).toMatchObject([{ id: lasting.peerId, addrs: [addrOf(lasting).replace(/\/p2p\/.*/, '')] }])
  await first.stop()

  const again = await host()
  await contact(again, { book: written }).start()
  expect(again.libp2p.getPeers().map(String)).toEqual([lasting.peerId])
})

test('a peer that does not answer is told once and does not keep others from being reached', async () => {
  const alive = await host()
  const a = await host()
  const dead = '/ip4/127.0.0.1/tcp/1'
  const told: string[] = []
  await contact(a, {
    book: await book(),
    peers: [dead, addrOf(alive)],
    onUnreachable: addr => told.push(addr)
  }).start()
  expect(told).toEqual([dead])
  expect(a.libp2p.getPeers().map(String)).toEqual([alive.peerId])
})

test('whoever of those remembered is there is found, though many that were seen later are gone', async () => {
  const there = await host()
  const a = await host()
  const met = await book()
  met.saw(there.peerId, [addrOf(there)])
  for (let port = 1; port <= 14; port++) met.saw(await someId(), [`/ip4/127.0.0.1/tcp/${port}`])
  await contact(a, { book: met }).start()
  expect(a.libp2p.getPeers()).toEqual([])
  await until('it is found', () => a.libp2p.getPeers().map(String).includes(there.peerId))
})

test('a machine that has a network again looks at once, however long nobody answered', async () => {
  vi.useFakeTimers()
  let dials = 0
  const libp2p = {
    getConnections: () => [],
    addEventListener: () => {},
    removeEventListener: () => {},
    dial: async () => {
      dials++
      throw new Error('nobody is there')
    }
  }
  const remembered = { id: await someId(), addrs: ['/ip4/127.0.0.1/tcp/1'], lastSeenMs: 0 }
  let moves = 0
  let addrs = ['/ip4/127.0.0.1/tcp/4160']
  const alone = new FirstContact({
    libp2p: libp2p as unknown as FirstContactInit['libp2p'],
    dialer: {} as unknown as FirstContactInit['dialer'],
    book: { recent: () => [remembered], find: () => remembered, saw: () => {}, flush: async () => {} },
    peers: [],
    log: silentLogger,
    addrs: () => addrs,
    onMoved: () => moves++
  })
  contacts.add(alone)
  await alone.start()
  await vi.advanceTimersByTimeAsync(2 * HOUR_MS)
  dials = 0
  await vi.advanceTimersByTimeAsync(2 * LOOK_EVERY_MS)
  expect(dials).toBe(0)
  addrs = ['/ip4/192.0.2.7/tcp/4160']
  await vi.advanceTimersByTimeAsync(2 * LOOK_EVERY_MS)
  expect(moves).toBe(1)
  expect(dials).toBeGreaterThan(1)
})

test('a node that lost everyone tries again within seconds', async () => {
  const privateKey = await generateKeyPair('Ed25519')
  const addr = `/ip4/127.0.0.1/tcp/${await freePort()}`
  const other = await host({ privateKey, listen: [addr] })
  const a = await host()
  await contact(a, { book: await book(), peers: [addr] }).start()
  await other.stop()
  await until('they are apart', () => a.libp2p.getConnections().length === 0)
  await host({ privateKey, listen: [addr] })
  await until('they are together again', () => a.libp2p.getConnections().length > 0)
})

test('a peer given by hand that goes away is dialled again, though others stay', async () => {
  const privateKey = await generateKeyPair('Ed25519')
  const addr = `/ip4/127.0.0.1/tcp/${await freePort()}`
  const named = await host({ privateKey, listen: [addr] })
  const other = await host()
  const a = await host()
  await contact(a, { book: await book(), peers: [addr] }).start()
  await a.dialer.connectTo(addrOf(other))
  await named.stop()
  await until('it is gone', () => !a.libp2p.getPeers().map(String).includes(named.peerId))
  const back = await host({ privateKey, listen: [addr] })
  await until('it is there again', () => a.libp2p.getPeers().map(String).includes(back.peerId))
  expect(a.libp2p.getPeers().map(String)).toContain(other.peerId)
})

test('who is alone with a silent peer dials it anew', async () => {
  const peer = await host()
  const a = await host()
  let alone = true
  await contact(a, {
    book: await book(),
    peers: [addrOf(peer)],
    isAlone: () => alone,
    ping: async () => {
      alone = false
      throw new Error('no answer')
    }
  }).start()
  const before = a.libp2p.getConnections().map(({ id }) => id)
  await until('there is another connection', () => {
    const now = a.libp2p.getConnections().map(({ id }) => id)
    return now.length === 1 && now[0] !== before[0]
  })
})

test('one that only asks is not remembered', async () => {
  const a = await host()
  const peers = await book()
  await contact(a, { book: peers }).start()
  const client = await host({ dht: { mode: 'client' } })
  const server = await host()
  await client.dialer.connectTo(addrOf(a))
  await server.dialer.connectTo(addrOf(a))
  await until('both were identified', async () => {
    const known = await Promise.all(a.libp2p.getPeers().map(id => a.libp2p.peerStore.get(id).catch(() => undefined)))
    return known.length === 2 && known.every(peer => peer !== undefined && peer.protocols.length > 0)
  })
  await until('the server is remembered', () => peers.recent().length > 0)
  expect(peers.recent().map(peer => peer.id)).toEqual([server.peerId])
})

test('the pauses grow to ten minutes', () => {
  expect([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 99].map(round => pauseAfterRoundMs(round) / 1_000)).toEqual([
    3, 5, 10, 15, 30, 30, 30, 30, 60, 120, 240, 480, 600, 600
  ])
})

test('the book keeps the 150 seen last of those that were dialled, newest first, and writes whole files only', async () => {
  const peers = await book()
  const ids = await Promise.all(Array.from({ length: 210 }, someId))
  for (const id of ids) peers.saw(id, [`/ip4/10.0.0.1/tcp/1/p2p/${id}`])
  peers.saw(ids[20] ?? '', ['/ip4/10.0.0.2/tcp/2'])
  await Promise.all([peers.flush(), peers.flush()])
  expect(await readdir(dir)).toEqual([PEERS_FILE])
  const read = await book()
  expect(read.recent()).toHaveLength(150)
  expect(read.recent()[0]).toMatchObject({ id: ids[20], addrs: ['/ip4/10.0.0.2/tcp/2'] })
  expect(read.recent()[1]).toMatchObject({ id: ids[209], addrs: ['/ip4/10.0.0.1/tcp/1'] })
})

test.each([
  ['cut short', '{"version":1,"peers":[{"id":"12D3'],
  ['not JSON', '\u0000\u0001'],
  ['of another version', '{"version":99,"peers":[]}'],
  ['another shape', '[1,2,3]']
])('a file that is %s is told and forgotten', async (_name, text) => {
  await writeFile(join(dir, PEERS_FILE), text)
  const { log, said } = warnings()
  const peers = await book(log)
  expect(said).toEqual([expect.stringContaining('damaged')])
  expect(peers.recent()).toEqual([])
  const id = await someId()
  peers.saw(id, ['/ip4/10.0.0.1/tcp/1'])
  await peers.flush()
  expect(JSON.parse(await readFile(join(dir, PEERS_FILE), 'utf8'))).toMatchObject({ version: 1, peers: [{ id }] })
})

test('entries that make no sense are left out', async () => {
  const id = await someId()
  const good = { id, addrs: ['/ip4/10.0.0.1/tcp/1', 7, 'x'], lastSeenMs: 5 }
  const peers = [
    good,
    1,
    null,
    { id: 'x', addrs: ['/ip4/10.0.0.1/tcp/1'], lastSeenMs: 1 },
    { id, addrs: 'x', lastSeenMs: 1 }
  ]
  await writeFile(join(dir, PEERS_FILE), JSON.stringify({ version: 1, peers }))
  expect((await book()).recent()).toEqual([{ id, addrs: ['/ip4/10.0.0.1/tcp/1'], lastSeenMs: 5 }])
})

test('stop waits for every round that is under way', async () => {
  vi.useFakeTimers()
  const ends: (() => void)[] = []
  const libp2p = {
    getConnections: () => [],
    addEventListener: () => {},
    removeEventListener: () => {},
    dial: () => new Promise((_, reject) => ends.push(() => reject(new Error('ended'))))
  }
  const remembered = { id: await someId(), addrs: ['/ip4/127.0.0.1/tcp/1'], lastSeenMs: 0 }
  let addrs = ['/ip4/127.0.0.1/tcp/4160']
  const moving = new FirstContact({
    libp2p: libp2p as unknown as FirstContactInit['libp2p'],
    dialer: {} as unknown as FirstContactInit['dialer'],
    book: { recent: () => [remembered], find: () => remembered, saw: () => {}, flush: async () => {} },
    peers: [],
    log: silentLogger,
    addrs: () => addrs
  })
  void moving.start()
  addrs = ['/ip4/192.0.2.7/tcp/4160']
  await vi.advanceTimersByTimeAsync(LOOK_EVERY_MS + 1)
  expect(ends).toHaveLength(2)
  let isStopped = false
  const stopped = moving.stop().then(() => {
    isStopped = true
  })
  ends[1]?.()
  await vi.advanceTimersByTimeAsync(1)
  expect(isStopped).toBe(false)
  ends[0]?.()
  await stopped
})
