/** Hundreds of roots of one peer, all at once. */
import { afterEach, expect, it } from 'vitest'
import { DialSlots, MAX_UNANSWERED_PER_PEER } from '../../../src/transfer/io/dial-slots.ts'
import { keystream } from '../../helpers/keystream.ts'
import { MemoryStorage, mapPieces } from '../../helpers/memory-storage.ts'
import { MemoryNetwork, peer, ROOT } from '../../helpers/memory-swarm.ts'

const network = new MemoryNetwork()
afterEach(() => network.stop())

it('are asked for in turn, and each is met at the first dial', async () => {
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
  await expect.poll(() => met.filter(({ sessions }) => sessions.length === 1).length).toBe(roots.length)
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
