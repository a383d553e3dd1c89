/** Questions to a DHT node without end: it answers at its pace, and others beside that. */
import { multiaddr } from '@multiformats/multiaddr'
import { expect, it } from 'vitest'
import { MAX_UNREAD_BYTES, PEER_MESSAGE_BURST, PEER_MESSAGES_PER_SEC } from '../../src/dht/answer-pace.ts'
import { addrOf, host, until } from '../node/host/test-hosts.ts'
import { floodDht } from './dht-flood.ts'

const LEAST_QUESTION_BYTES = 37

it('a flood of questions is answered at the pace of one peer, and others meanwhile', async () => {
  const victim = await host()
  const hostile = await host({ listen: [] })
  const honest = await host({ listen: [] })
  const begun = performance.now()
  const flood = await floodDht(hostile, addrOf(victim), { streams: 4, ahead: 1000 })
  await until('it asks faster', () => flood.answers >= PEER_MESSAGE_BURST + PEER_MESSAGES_PER_SEC)
  await honest.libp2p.dial(multiaddr(addrOf(victim)))
  const target = honest.libp2p.peerId.toMultihash().bytes
  const asked = performance.now()
  const named: string[] = []
  const signal = AbortSignal.timeout(60_000)
  for await (const event of honest.libp2p.services.dht.getClosestPeers(target, { signal })) {
    if (event.name === 'PEER_RESPONSE') named.push(event.from.toString())
  }
  expect(named).toContain(victim.peerId)
  console.log(`answered beside a flood after ${Math.round(performance.now() - asked)} ms`)
  const seconds = (performance.now() - begun) / 1000
  expect(flood.answers).toBeLessThanOrEqual(PEER_MESSAGE_BURST + PEER_MESSAGES_PER_SEC * seconds + 1)
  expect(flood.isOver).toBe(false)
})

it('who asks far ahead of the answers loses the stream, and who asks in turn does not (MAX_UNREAD_BYTES)', async () => {
  const victim = await host()
  const [greedy, patient] = await Promise.all([host({ listen: [] }), host({ listen: [] })])
  const inTurn = await floodDht(patient, addrOf(victim), { streams: 2, ahead: 1 })
  // so much that the first burst is answered long before all of it came
  const ahead = (100 * MAX_UNREAD_BYTES) / LEAST_QUESTION_BYTES
  const flood = await floodDht(greedy, addrOf(victim), { streams: 4, ahead })
  await until('its streams are reset', () => flood.isOver)
  const before = inTurn.answers
  await until('more answers in turn', () => inTurn.answers > before)
  expect(inTurn.isOver).toBe(false)
})
