/** The addresses of a node change while it runs: another network, a new lease. */
import { createHash } from 'node:crypto'
import { CODE_P2P, type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { expect, test } from 'vitest'
import { cidOf, RAW } from '../../../src/content/cid.ts'
import type { Host } from '../../../src/node/host/create-host.ts'
import { addrOf, host, until } from './test-hosts.ts'

interface Inner {
  components: { transportManager: { listen(addrs: Multiaddr[]): Promise<void> } }
}

const bare = (of: Host) => of.addrs().map(addr => multiaddr(addr).decapsulateCode(CODE_P2P).toString())

test('who asks a node about what it holds is told where it is now', async () => {
  const [sharer, getter] = [await host(), await host({ dht: { mode: 'client' } })]
  const cid = cidOf(RAW, createHash('sha256').update('moved').digest())
  await sharer.routing.hold(cid)
  await getter.dialer.connectTo(addrOf(sharer))
  await getter.routing.ready()
  await (sharer.libp2p as unknown as Inner).components.transportManager.listen([multiaddr('/ip4/127.0.0.1/tcp/0')])
  expect(bare(sharer)).toHaveLength(2)
  await until('both are told', async () => {
    const told: string[] = []
    for await (const { addrs } of getter.routing.findProviders(cid)) told.push(...addrs)
    return told.sort().join() === bare(sharer).sort().join()
  })
})
