/** Hundreds of roots of one peer, all at once. */
import { afterEach, expect, it } from 'vitest'
import { silentLogger } from '../../../src/base/log.ts'
import { seededRandom } from '../../../src/base/random.ts'
import { MINUTE_MS } from '../../../src/base/units.ts'
import { DialSlots, MAX_UNANSWERED_PER_PEER } from '../../../src/transfer/io/dial-slots.ts'
import { SwarmHost } from '../../../src/transfer/io/swarm-host.ts'
import { keystream } from '../../helpers/keystream.ts'
import { MemoryStorage, mapPieces } from '../../helpers/memory-storage.ts'
import { MemoryNetwork, peer, ROOT } from '../../helpers/memory-swarm.ts'

const network = new MemoryNetwork()
afterEach(() => network.stop())

it('are asked for in turn, and each is met at the first dial', { timeout: 90_000 }, async () => {
  const [giver, taker] = [network.host('giver'), network.host('taker')]
  const roots = Array.from({ length: 200 }, (_, at) => Uint8Array.from([...ROOT.subarray(0, -1), at]))
  const content = keystream(1000, 'small')
  const pieces = mapPieces(content, [1000])
  for (const root of roots) giver.open(root).attach(new MemoryStorage(pieces, content), { fetch: false })
  const met = roots.map(root => {
    const runner = taker.open(root)
    runner.attach(new MemoryStorage(pieces), { fetch: true })
    runner.addPeers([peer('giver')])
    return runner
  })
  const areMet = () => met.filter(({ sessions }) => sessions.length === 1).length
  await expect.poll(areMet, { timeout: 60_000 }).toBe(roots.length)
  expect(met.flatMap(({ facts }) => [...facts.failures.keys()])).toEqual([])
})

it('wait for room in order, and not when they are given up', async () => {
  const slots = new DialSlots()
  const { signal } = new AbortController()
  const taken = await Promise.all(Array.from({ length: MAX_UNANSWERED_PER_PEER }, () => slots.take('one', signal)))
  ;(await slots.take('other', signal))()
  const stopping = new AbortController()
  const order: string[] = []
  const first = slots.take('one', stopping.signal)
  const second = slots.take('one', signal).then(leave => {
    order.push('second')
    return leave
  })
  stopping.abort()
  ;(await first)()
  expect(order).toEqual([])
  taken.pop()?.()
  ;(await second)()
  for (const leave of taken) leave()
  const again = await Promise.all(Array.from({ length: MAX_UNANSWERED_PER_PEER }, () => slots.take('one', signal)))
  expect(again).toHaveLength(MAX_UNANSWERED_PER_PEER)
})

it('wait for one dial each, however long that takes', async () => {
  let now = 0
  const dials: Array<() => void> = []
  const host = new SwarmHost({
    selfId: 'me',
    clock: { now: () => now, wallMs: () => now },
    random: seededRandom(1),
    log: silentLogger,
    addrsOf: () => [],
    dialer: {
      dial: () => new Promise((_, reject) => dials.push(() => reject(new Error('nobody answers'))))
    }
  })
  const runners = Array.from({ length: MAX_UNANSWERED_PER_PEER + 1 }, (_, at) =>
    host.open(Uint8Array.from([...ROOT.subarray(0, -1), at]))
  )
  for (const runner of runners) runner.addPeers([peer('silent')])
  for (let minute = 0; minute < 5; minute++) {
    now += 2 * MINUTE_MS
    // it is of interest again, as a dial of so long ago counts as lost
    runners.at(-1)?.addPeers([peer('silent')])
  }
  await expect.poll(() => dials.length).toBe(MAX_UNANSWERED_PER_PEER)
  for (const fail of dials.splice(0)) fail()
  await expect.poll(() => dials.length).toBe(1)
  for (const fail of dials) fail()
  await host.stop()
})
