/** Questions to a DHT node without end: it answers at its pace, and others beside that. */
import { multiaddr } from '@multiformats/multiaddr'
import { expect, it } from 'vitest'
import { PEER_MESSAGE_BURST, PEER_MESSAGES_PER_SEC } from '../../src/dht/answer-pace.ts'
import { addrOf, host, until } from '../node/host/test-hosts.ts'
import { floodDht } from './dht-flood.ts'

it('a flood of questions is answered at the pace of one peer, and others meanwhile', async () => {
  const victim = await host()
  const hostile = await host({ listen: [] })
  const honest = await host({ listen: [] })
  const begun = performance.now()
  const flood = await floodDht(hostile, addrOf(victim), 4)
  await until('it asks faster', () => flood.answers >= PEER_MESSAGE_BURST + PEER_MESSAGES_PER_SEC)
  await honest.libp2p.dial(multiaddr(addrOf(victim)))
  const target = honest.libp2p.peerId.toMultihash().bytes
  const asked = performance.now()
  const named: string[] = []
  const signal = AbortSignal.timeout(20_000)
  for await (const event of honest.libp2p.services.dht.getClosestPeers(target, { signal })) {
    if (event.name === 'PEER_RESPONSE') named.push(event.from.toString())
  }
  expect(named).toContain(victim.peerId)
  console.log(`answered beside a flood after ${Math.round(performance.now() - asked)} ms`)
  const seconds = (performance.now() - begun) / 1000
  expect(flood.answers).toBeLessThanOrEqual(PEER_MESSAGE_BURST + PEER_MESSAGES_PER_SEC * seconds + 1)
  expect(flood.isOver).toBe(false)
}, 60_000)
