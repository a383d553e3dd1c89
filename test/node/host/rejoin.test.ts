/** Peers that were lost are dialled again, on a time of the test's own. */
import { generateKeyPair } from '@libp2p/crypto/keys'
import type { Connection, Libp2p, Libp2pEvents, PeerId } from '@libp2p/interface'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import type { Multiaddr } from '@multiformats/multiaddr'
import { TypedEventEmitter } from 'main-event'
import { expect, test } from 'vitest'
import { silentLogger } from '../../../src/base/log.ts'
import { MINUTE_MS, SECOND_MS } from '../../../src/base/units.ts'
import { GAP_MS, LONGEST_WAIT_MS } from '../../../src/node/host/lost-peers.ts'
import type { RememberedPeer } from '../../../src/node/host/peer-book.ts'
import { Rejoin } from '../../../src/node/host/rejoin.ts'

/** A network in which everybody can be reached or not, and time passes when it is told to. */
class World {
  nowMs = 0
  readonly dials: Array<{ id: string; atMs: number }> = []
  readonly reachable = new Set<string>()
  readonly connected = new Map<string, PeerId>()
  readonly book = new Map<string, RememberedPeer>()
  readonly events = new TypedEventEmitter<Libp2pEvents>()
  #timer: { run: () => void; atMs: number } | undefined
  extraConnections = 0

  readonly rejoin = new Rejoin({
    libp2p: {
      addEventListener: this.events.addEventListener.bind(this.events) as Libp2p['addEventListener'],
      removeEventListener: this.events.removeEventListener.bind(this.events) as Libp2p['removeEventListener'],
      getConnections: (peer?: PeerId) => {
        const ids = [...this.connected.keys()].filter(id => peer === undefined || id === peer.toString())
        return [...ids, ...Array.from({ length: peer === undefined ? this.extraConnections : 0 })] as never[]
      },
      dial: async target => {
        const [addr] = target as Multiaddr[]
        const id = String(addr).split('/p2p/')[1] ?? ''
        this.dials.push({ id, atMs: this.nowMs })
        if (!this.reachable.has(id)) throw new Error('nobody answers')
        this.connect(id)
        return {} as Connection
      }
    },
    book: { recent: () => [...this.book.values()].reverse(), find: id => this.book.get(id) },
    log: silentLogger,
    clock: { now: () => this.nowMs, wallMs: () => 0 },
    startTimer: (run, ms) => {
      expect(this.#timer, 'one timer at a time').toBeUndefined()
      const timer = { run, atMs: this.nowMs + ms }
      this.#timer = timer
      return () => {
        if (this.#timer === timer) this.#timer = undefined
      }
    }
  })

  readonly #ids = new Map<string, PeerId>()

  async peer(port: number): Promise<string> {
    const peerId = peerIdFromPrivateKey(await generateKeyPair('Ed25519'))
    const id = peerId.toString()
    this.#ids.set(id, peerId)
    this.book.set(id, { id, addrs: [`/ip4/192.0.2.1/tcp/${port}`], lastSeenMs: 0 })
    return id
  }

  connect(id: string): void {
    const peerId = this.#ids.get(id)
    if (peerId === undefined) throw new Error('not of this world')
    this.connected.set(id, peerId)
    this.events.safeDispatchEvent('peer:connect', { detail: peerId })
  }

  lose(id: string): void {
    const peerId = this.connected.get(id)
    this.connected.delete(id)
    if (peerId !== undefined) this.events.safeDispatchEvent('peer:disconnect', { detail: peerId })
  }

  get isTimed(): boolean {
    return this.#timer !== undefined
  }

  async pass(ms: number): Promise<void> {
    const end = this.nowMs + ms
    for (let timer = this.#timer; timer !== undefined && timer.atMs <= end; timer = this.#timer) {
      this.#timer = undefined
      this.nowMs = timer.atMs
      timer.run()
      await new Promise(resolve => setImmediate(resolve))
    }
    this.nowMs = end
  }
}

test('halves that were cut meet again, though each still has its own: with few dials in between', async () => {
  const world = new World()
  const near = await world.peer(1)
  const far = await Promise.all([2, 3, 4].map(port => world.peer(port)))
  for (const id of [near, ...far]) world.connect(id)
  world.rejoin.start()
  expect(world.isTimed).toBe(false)
  for (const id of far) world.lose(id)
  await world.pass(20 * MINUTE_MS)
  expect(world.dials.length).toBeGreaterThan(3)
  expect(world.dials.length).toBeLessThanOrEqual(3 * 6)
  for (const [i, { atMs }] of world.dials.entries()) {
    if (i > 0) expect(atMs - (world.dials[i - 1]?.atMs ?? 0)).toBeGreaterThanOrEqual(GAP_MS)
  }
  for (const id of far) world.reachable.add(id)
  await world.pass(LONGEST_WAIT_MS + 3 * GAP_MS)
  expect([...world.connected.keys()].sort()).toEqual([near, ...far].sort())
  const before = world.dials.length
  await world.pass(24 * 60 * MINUTE_MS)
  expect(world.dials.length, 'who is there is not dialled').toBe(before)
  await world.rejoin.stop()
})

test('when the addresses of this machine change, whoever was lost long ago is tried within the minute', async () => {
  const world = new World()
  const far = await world.peer(1)
  world.connect(far)
  world.rejoin.start()
  world.lose(far)
  // just after a try in vain, with half an hour to the next
  await world.pass(33 * MINUTE_MS)
  const before = world.dials.length
  world.reachable.add(far)
  await world.pass(MINUTE_MS)
  expect(world.dials).toHaveLength(before)
  world.rejoin.moved()
  await world.pass(MINUTE_MS)
  expect([...world.connected.keys()]).toEqual([far])
  world.rejoin.moved()
  expect(world.isTimed).toBe(false)
  await world.rejoin.stop()
})

test('a short cut heals within a minute', async () => {
  const world = new World()
  const far = await world.peer(1)
  world.connect(far)
  world.rejoin.start()
  world.lose(far)
  await world.pass(40 * SECOND_MS)
  world.reachable.add(far)
  await world.pass(MINUTE_MS)
  expect([...world.connected.keys()]).toEqual([far])
  await world.rejoin.stop()
})

test('peers of an earlier process are dialled, when others got this node into the network', async () => {
  const world = new World()
  const remembered = await world.peer(1)
  world.reachable.add(remembered)
  world.rejoin.start()
  await world.pass(MINUTE_MS)
  expect([...world.connected.keys()]).toEqual([remembered])
  await world.rejoin.stop()
})

test('who is in no book (it only asked), and who is not needed, is left alone', async () => {
  const world = new World()
  const client = await world.peer(1)
  world.book.delete(client)
  const server = await world.peer(2)
  for (const id of [client, server]) world.connect(id)
  world.rejoin.start()
  world.lose(client)
  world.extraConnections = 1_000
  world.lose(server)
  await world.pass(60 * MINUTE_MS)
  expect(world.dials).toEqual([])
  world.extraConnections = 0
  await world.pass(2 * MINUTE_MS)
  expect(world.dials.map(({ id }) => id)).toContain(server)
  await world.rejoin.stop()
})

test('nothing is timed or dialled once it has stopped', async () => {
  const world = new World()
  const far = await world.peer(1)
  world.connect(far)
  world.rejoin.start()
  world.lose(far)
  await world.rejoin.stop()
  expect(world.isTimed).toBe(false)
  world.connect(far)
  world.lose(far)
  expect(world.isTimed).toBe(false)
})
