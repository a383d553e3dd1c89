import { createHash } from 'node:crypto'
import type { CID } from 'multiformats/cid'
import { expect, test } from 'vitest'
import { seededRandom } from '../../src/base/random.ts'
import { cidOf, RAW } from '../../src/content/cid.ts'
import { type Announcer, Reprovider, type ReprovideStore, type StartTimer } from '../../src/dht/reprovider.ts'

const HOUR = 3_600_000

/** Time that passes only when told to. */
class VirtualTime {
  nowMs = 1_800_000_000_000
  /** By how much the wall clock is off. */
  leapMs = 0
  #timers: Array<{ at: number; run: () => void }> = []

  readonly clock = { now: () => this.nowMs, wallMs: () => this.nowMs + this.leapMs }
  readonly startTimer: StartTimer = (run, ms) => {
    const timer = { at: this.nowMs + ms, run }
    this.#timers.push(timer)
    return () => {
      this.#timers = this.#timers.filter(other => other !== timer)
    }
  }

  async pass(ms: number): Promise<void> {
    const end = this.nowMs + ms
    await settle()
    for (;;) {
      const next = this.#timers.sort((a, b) => a.at - b.at)[0]
      if (next === undefined || next.at > end) break
      this.#timers.shift()
      this.nowMs = Math.max(this.nowMs, next.at)
      next.run()
      await settle()
    }
    this.nowMs = end
  }
}

const settle = async () => {
  for (let turn = 0; turn < 3; turn++) await new Promise(resolve => setImmediate(resolve))
}

/** A store in memory that outlives a Reprovider. */
class MemoryStore implements ReprovideStore {
  readonly announced = new Map<string, number>()
  identity: string | undefined
  load = async () => new Map(this.announced)
  save = async (cid: string, ms: number) => void this.announced.set(cid, ms)
  remove = async (cid: string) => void this.announced.delete(cid)
  loadIdentity = async () => this.identity
  saveIdentity = async (digest: string) => {
    this.identity = digest
  }
}

class Network implements Announcer {
  readonly held = new Set<string>()
  readonly calls: Array<{ cid: string; at: number }> = []
  most = 0
  #running = 0
  nodes = 5
  /** CIDs whose holders are gone; an announcement mends it. */
  readonly thin = new Set<string>()
  /** While set, announcements wait for it, as those of a node that knows nobody do. */
  gate: Promise<void> = Promise.resolve()
  readonly #time: VirtualTime

  constructor(time: VirtualTime) {
    this.#time = time
  }

  async hold(cid: CID): Promise<void> {
    this.held.add(cid.toString())
  }

  async provide(cid: CID, { signal }: { signal: AbortSignal }): Promise<{ nodes: number }> {
    this.most = Math.max(this.most, ++this.#running)
    try {
      await Promise.race([
        this.gate,
        new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
      ])
      this.calls.push({ cid: cid.toString(), at: this.#time.nowMs })
      this.thin.delete(cid.toString())
      this.growth = 1
      if (this.nodes < 0) throw new Error('no network')
      return { nodes: this.nodes }
    } finally {
      this.#running--
    }
  }

  /** As many nodes as when it was announced last, times this. */
  growth = 1

  isOutgrown(_cid: CID): boolean {
    return this.growth >= 2
  }

  isThin(cid: CID): boolean {
    return this.thin.has(cid.toString())
  }

  async withdraw(cid: CID): Promise<void> {
    this.held.delete(cid.toString())
  }
}

const cidNumber = (i: number) => cidOf(RAW, createHash('sha256').update(String(i)).digest())

function node(time: VirtualTime, store: MemoryStore, addrs: string[] = ['/ip4/10.0.0.1/tcp/4160']) {
  const network = new Network(time)
  const told: string[] = []
  const reprovider = new Reprovider({
    routing: network,
    store,
    peerId: '12D3',
    addrs: () => addrs,
    onAnnounced: (cid, nodes) => told.push(`${cid} ${nodes}`),
    clock: time.clock,
    startTimer: time.startTimer,
    random: seededRandom(3)
  })
  return { network, reprovider, told, addrs }
}

test('announced when added, and again about every 22 hours', async () => {
  const time = new VirtualTime()
  const { network, reprovider, told } = node(time, new MemoryStore())
  await reprovider.start()
  await reprovider.add(cidNumber(1))
  expect(network.held.size).toBe(1)
  expect(await reprovider.announced(cidNumber(1))).toBe(5)
  expect(told).toEqual([`${cidNumber(1)} 5`])
  await time.pass(20 * HOUR)
  expect(network.calls).toHaveLength(1)
  await time.pass(2 * HOUR)
  expect(network.calls).toHaveLength(2)
  await time.pass(10 * 24 * HOUR)
  expect(network.calls.length).toBeGreaterThanOrEqual(12)
  for (let i = 1; i < network.calls.length; i++) {
    expect((network.calls[i]?.at ?? 0) - (network.calls[i - 1]?.at ?? 0)).toBeLessThan(23 * HOUR)
  }
  await reprovider.stop()
})

test('a restart announces what is overdue soon, not what is fresh, and holds all of it again', async () => {
  const time = new VirtualTime()
  const store = new MemoryStore()
  const first = node(time, store)
  await first.reprovider.start()
  await first.reprovider.add(cidNumber(1))
  await time.pass(10 * HOUR)
  await first.reprovider.add(cidNumber(2))
  await time.pass(HOUR)
  await first.reprovider.stop()
  time.nowMs += 11.5 * HOUR

  const { network, reprovider } = node(time, store)
  await reprovider.start()
  expect(network.held.size).toBe(2)
  await time.pass(60_000)
  expect(network.calls.map(call => call.cid)).toEqual([cidNumber(1).toString()])
  expect(reprovider.nextInMs()).toBeGreaterThan(7 * HOUR)
  await reprovider.stop()
})

test('other addresses after a restart: everything is announced again', async () => {
  const time = new VirtualTime()
  const store = new MemoryStore()
  const first = node(time, store)
  await first.reprovider.start()
  for (let i = 0; i < 20; i++) await first.reprovider.add(cidNumber(i))
  await time.pass(1_000)
  await first.reprovider.stop()

  const same = node(time, store)
  await same.reprovider.start()
  await time.pass(60_000)
  expect(same.network.calls).toHaveLength(0)
  await same.reprovider.stop()

  const moved = node(time, store, ['/ip4/10.0.0.1/tcp/9'])
  await moved.reprovider.start()
  await time.pass(60_000)
  expect(new Set(moved.network.calls.map(call => call.cid)).size).toBe(20)
  await moved.reprovider.stop()
})

test('other addresses while running: everything is announced again within minutes', async () => {
  const time = new VirtualTime()
  const { network, reprovider, addrs } = node(time, new MemoryStore())
  await reprovider.start()
  await reprovider.add(cidNumber(1))
  await time.pass(HOUR)
  expect(network.calls).toHaveLength(1)
  addrs.splice(0, 1, '/ip4/10.9.9.9/tcp/4160')
  await time.pass(120_000)
  expect(network.calls).toHaveLength(2)
  await reprovider.stop()
})

test('addresses that come and go all the time: a few changes count at once, then one each few minutes', async () => {
  const time = new VirtualTime()
  const { network, reprovider, addrs } = node(time, new MemoryStore())
  await reprovider.start()
  await reprovider.add(cidNumber(1))
  await time.pass(60_000)
  network.calls.length = 0
  // a tunnel that is set up anew each quarter of a minute
  for (let at = 0; at < 240; at++) {
    if (at % 2 === 0) addrs.push('/ip4/10.8.0.2/tcp/4160')
    else addrs.pop()
    await time.pass(15_000)
    if (at === 2) expect(network.calls.length).toBe(3)
  }
  expect(network.calls.length).toBeGreaterThan(10)
  expect(network.calls.length).toBeLessThanOrEqual(30)
  const before = network.calls.length
  addrs.splice(0, 2, '/ip4/10.9.9.9/tcp/4160')
  await time.pass(600_000)
  expect(network.calls.length).toBeGreaterThan(before)
  await reprovider.stop()
})

test('other addresses while an announcement is under way: it goes out once more when it has ended', async () => {
  const time = new VirtualTime()
  const store = new MemoryStore()
  const { network, reprovider, addrs } = node(time, store)
  let open = () => {}
  network.gate = new Promise(resolve => {
    open = resolve
  })
  await reprovider.start()
  await reprovider.add(cidNumber(1))
  await time.pass(5_000)
  addrs.splice(0, 1, '/ip4/10.9.9.9/tcp/4160')
  await time.pass(20_000)
  expect(network.calls).toHaveLength(0)
  open()
  await time.pass(1_000)
  expect(network.calls).toHaveLength(2)
  expect(store.announced.get(cidNumber(1).toString())).toBe(time.nowMs - 1_000)
  await time.pass(20 * HOUR)
  expect(network.calls).toHaveLength(2)
  await reprovider.stop()
})

test('other addresses before the content of a record was found: it is announced when it is', async () => {
  const time = new VirtualTime()
  const store = new MemoryStore()
  const before = node(time, store)
  await before.reprovider.start()
  for (const i of [1, 2]) await before.reprovider.add(cidNumber(i))
  await time.pass(1_000)
  await before.reprovider.stop()

  const { network, reprovider, addrs } = node(time, store)
  await reprovider.start({ dormant: true })
  addrs.splice(0, 1, '/ip4/10.9.9.9/tcp/4160')
  await time.pass(20_000)
  await reprovider.resume(cidNumber(1))
  await time.pass(60_000)
  expect(network.calls).toHaveLength(1)
  await reprovider.stop()

  const later = node(time, store, addrs)
  await later.reprovider.start()
  await time.pass(60_000)
  expect(later.network.calls.map(({ cid }) => cid)).toEqual([cidNumber(2).toString()])
  await later.reprovider.stop()
})

test('a disk that is full while the addresses change: everything is announced again all the same, once', async () => {
  const time = new VirtualTime()
  const store = new MemoryStore()
  const { network, reprovider, addrs } = node(time, store)
  await reprovider.start()
  for (let i = 0; i < 5; i++) await reprovider.add(cidNumber(i))
  await time.pass(5_000)
  const [{ save }, { identity }] = [store, store]
  store.save = async () => {
    throw new Error('ENOSPC')
  }
  network.calls.length = 0
  addrs.splice(0, 1, '/ip4/10.9.9.9/tcp/4160')
  await time.pass(16_000)
  expect(new Set(network.calls.map(({ cid }) => cid)).size).toBe(5)
  expect(store.identity).toBe(identity)
  store.save = save
  await time.pass(120_000)
  expect(store.identity).not.toBe(identity)
  expect([...store.announced.values()]).not.toContain(0)
  network.calls.length = 0
  await time.pass(20 * HOUR)
  expect(network.calls).toEqual([])
  await reprovider.stop()
})

test('a record whose holders have gone is announced within minutes, and then waits for its turn again', async () => {
  const time = new VirtualTime()
  const { network, reprovider } = node(time, new MemoryStore())
  await reprovider.start()
  for (const i of [1, 2]) await reprovider.add(cidNumber(i))
  await time.pass(HOUR)
  expect(network.calls).toHaveLength(2)
  network.thin.add(cidNumber(1).toString())
  await time.pass(60_000)
  expect(network.calls.slice(2).map(call => call.cid)).toEqual([cidNumber(1).toString()])
  await time.pass(10 * HOUR)
  expect(network.calls).toHaveLength(3)
  await reprovider.stop()
})

test('however fast holders go, a record is announced every two minutes at most, and a thousand one a second', async () => {
  const time = new VirtualTime()
  const { network, reprovider } = node(time, new MemoryStore())
  network.isThin = () => true
  await reprovider.start()
  for (let i = 0; i < 200; i++) await reprovider.add(cidNumber(i))
  await time.pass(30_000)
  expect(network.calls).toHaveLength(200)
  await time.pass(10 * 60_000)
  expect(network.calls.length).toBeLessThanOrEqual(200 + 60 * 11)
  expect(network.calls.length).toBeGreaterThan(200 + 60 * 7)
  const of = (i: number) => network.calls.filter(call => call.cid === cidNumber(i).toString()).map(call => call.at)
  for (let i = 0; i < 200; i++) {
    const at = of(i)
    expect(at.length).toBeGreaterThan(2)
    for (let n = 1; n < at.length; n++) expect((at[n] ?? 0) - (at[n - 1] ?? 0)).toBeGreaterThanOrEqual(120_000)
  }
  await reprovider.stop()
})

test('a node that knows nobody announces when it does', async () => {
  const time = new VirtualTime()
  const { network, reprovider, told } = node(time, new MemoryStore())
  let open = () => {}
  network.gate = new Promise(resolve => {
    open = resolve
  })
  await reprovider.start()
  await reprovider.add(cidNumber(1))
  const waiting = reprovider.announced(cidNumber(1))
  await time.pass(HOUR)
  expect(told).toEqual([])
  open()
  expect(await waiting).toBe(5)
  await reprovider.stop()
})

test('what fails or reaches nobody is tried again, later each time', async () => {
  const time = new VirtualTime()
  const { network, reprovider, told } = node(time, new MemoryStore())
  await reprovider.start()
  network.nodes = -1
  await reprovider.add(cidNumber(1))
  await time.pass(60_000)
  const early = network.calls.length
  expect(early).toBeGreaterThanOrEqual(2)
  network.nodes = 0
  await time.pass(HOUR)
  expect(network.calls.length).toBeGreaterThan(early)
  expect(network.calls.length).toBeLessThan(15)
  network.nodes = 3
  await time.pass(HOUR)
  expect(told).toEqual([`${cidNumber(1)} 3`])
  await reprovider.stop()
})

test('few at a time, however many there are', async () => {
  const time = new VirtualTime()
  const store = new MemoryStore()
  for (let i = 0; i < 500; i++) store.announced.set(cidNumber(i).toString(), 0)
  store.announced.set('damaged', 0)
  const { network, reprovider } = node(time, store)
  await reprovider.start()
  await time.pass(10 * 60_000)
  expect(network.calls).toHaveLength(500)
  expect(network.most).toBeLessThanOrEqual(4)
  await reprovider.stop()
})

test('removing ends the announcement that is under way, and the record', async () => {
  const time = new VirtualTime()
  const store = new MemoryStore()
  const { network, reprovider, told } = node(time, store)
  network.gate = new Promise(() => {})
  await reprovider.start()
  await reprovider.add(cidNumber(1))
  await settle()
  await reprovider.remove(cidNumber(1))
  expect(network.held.size).toBe(0)
  expect(store.announced.size).toBe(0)
  await time.pass(48 * HOUR)
  expect(told).toEqual([])
  await reprovider.stop()
})

test('stop ends those who wait', async () => {
  const time = new VirtualTime()
  const { network, reprovider } = node(time, new MemoryStore())
  network.gate = new Promise(() => {})
  await reprovider.start()
  await reprovider.add(cidNumber(1))
  const waiting = expect(reprovider.announced(cidNumber(1))).rejects.toMatchObject({ code: 'ERR_ABORTED' })
  await reprovider.stop()
  await waiting
})

test('what the network has outgrown is announced at the next look, before the gap of those whose holders go', async () => {
  const time = new VirtualTime()
  const { network, reprovider } = node(time, new MemoryStore())
  await reprovider.start()
  await reprovider.add(cidNumber(1))
  await time.pass(1_000)
  network.growth = 2
  await time.pass(16_000)
  expect(network.calls).toHaveLength(2)
  await time.pass(HOUR)
  expect(network.calls).toHaveLength(2)
  await reprovider.stop()
})

const YEAR = 365 * 24 * HOUR

test.each([
  ['an hour', HOUR],
  ['ten years', 10 * YEAR]
])('a clock that is set back by %s puts no announcement off, and repeats none', async (_name, ms) => {
  const time = new VirtualTime()
  const store = new MemoryStore()
  const { network, reprovider } = node(time, store)
  await reprovider.start()
  for (const i of [1, 2]) await reprovider.add(cidNumber(i))
  await time.pass(HOUR)
  time.leapMs = -ms
  await time.pass(19 * HOUR)
  expect(network.calls).toHaveLength(2)
  await time.pass(2 * HOUR)
  expect(network.calls).toHaveLength(4)
  network.thin.add(cidNumber(1).toString())
  await time.pass(5 * 60_000)
  expect(network.calls, 'holders that go are still noticed').toHaveLength(5)
  expect(
    [...store.announced.values()].every(at => at <= time.clock.wallMs()),
    'the store has the wall clock'
  ).toBe(true)
  await reprovider.stop()
})

test('a clock that leaps ahead, as after a sleep, brings announcements on within a minute, once', async () => {
  const time = new VirtualTime()
  const { network, reprovider } = node(time, new MemoryStore())
  await reprovider.start()
  for (const i of [1, 2, 3]) await reprovider.add(cidNumber(i))
  await time.pass(HOUR)
  time.leapMs = 10 * YEAR
  await time.pass(60_000)
  expect(network.calls).toHaveLength(6)
  await time.pass(19 * HOUR)
  time.leapMs = 0
  await time.pass(60_000)
  expect(network.calls).toHaveLength(6)
  await time.pass(3 * HOUR)
  expect(network.calls).toHaveLength(9)
  await reprovider.stop()
})

test('records whose holders have gone and whose announcement fails wait longer each time, and hold up no others', async () => {
  const time = new VirtualTime()
  const { network, reprovider } = node(time, new MemoryStore())
  await reprovider.start()
  for (let i = 0; i < 20; i++) await reprovider.add(cidNumber(i))
  await time.pass(HOUR)
  const failing = new Set(Array.from({ length: 16 }, (_, i) => cidNumber(i).toString()))
  const provide = network.provide.bind(network)
  network.provide = async (cid, options) => {
    const { nodes } = await provide(cid, options)
    return { nodes: failing.has(cid.toString()) ? 0 : nodes }
  }
  network.calls.length = 0
  network.isThin = () => true
  await time.pass(5 * 60_000)
  const times = (i: number) => network.calls.filter(({ cid }) => cid === cidNumber(i).toString()).length
  // at once, and after 30 s, a minute and two
  expect(times(0)).toBeLessThanOrEqual(4)
  expect(times(0)).toBeGreaterThan(2)
  expect(times(19)).toBeGreaterThan(0)
  await reprovider.stop()
})

test('what is shared waits for few of those that are announced before their turn, however slowly that goes', async () => {
  const time = new VirtualTime()
  const { network, reprovider } = node(time, new MemoryStore())
  await reprovider.start()
  for (let i = 0; i < 200; i++) await reprovider.add(cidNumber(i))
  await time.pass(HOUR)
  const provide = network.provide.bind(network)
  network.provide = async (cid, options) => {
    await new Promise<void>(resolve => time.startTimer(resolve, 60_000))
    return await provide(cid, options)
  }
  network.isThin = () => true
  await time.pass(10 * 60_000)
  network.calls.length = 0
  await reprovider.add(cidNumber(200))
  await time.pass(6 * 60_000)
  expect(network.calls.map(({ cid }) => cid)).toContain(cidNumber(200).toString())
  const stopped = reprovider.stop()
  await time.pass(60_000)
  await stopped
})

test('what is removed as its announcement is written down was never announced', async () => {
  const time = new VirtualTime()
  const store = new MemoryStore()
  const { reprovider } = node(time, store)
  await reprovider.start()
  let write = () => {}
  const save = store.save
  store.save = async (cid, ms) => {
    if (ms > 0) await new Promise<void>(resolve => (write = resolve))
    await save(cid, ms)
  }
  await reprovider.add(cidNumber(0))
  await time.pass(0)
  const removed = reprovider.remove(cidNumber(0))
  write()
  await removed
  store.save = save
  const controller = new AbortController()
  const announced = reprovider.announced(cidNumber(0), { signal: controller.signal })
  controller.abort()
  await expect(announced).rejects.toMatchObject({ code: 'ERR_ABORTED' })
  await reprovider.stop()
})

test('what is added again while it is being removed stays', async () => {
  const time = new VirtualTime()
  const store = new MemoryStore()
  const { network, reprovider } = node(time, store)
  network.gate = new Promise(() => {})
  await reprovider.start()
  await reprovider.add(cidNumber(1))
  await time.pass(1_000)
  const removing = reprovider.remove(cidNumber(1))
  network.gate = Promise.resolve()
  await reprovider.add(cidNumber(1))
  await removing
  await time.pass(60_000)
  expect(reprovider.keeps(cidNumber(1))).toBe(true)
  expect([...network.held]).toEqual([cidNumber(1).toString()])
  expect([...store.announced.values()]).toEqual([time.nowMs - 60_000])
  await reprovider.stop()
})
