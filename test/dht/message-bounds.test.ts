import type { Stream } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { expect, it } from 'vitest'
import { MAX_QUESTION_BYTES } from '../../src/dht/answer-pace.ts'
import { KAD_PROTOCOL } from '../../src/dht/kad.ts'
import { MAX_ADDRS_OF_PEER, MAX_KEY_BYTES } from '../../src/dht/message-bounds.ts'
import type { Host } from '../../src/node/host/create-host.ts'
import { addrOf, host, until } from '../node/host/test-hosts.ts'
import { answerAs, framed, type Named, nameOf, nobody, randomCid, type Told, TYPES } from './hostile-node.ts'

interface Handled {
  readonly type: string
  readonly key: Uint8Array
  readonly providers: readonly { readonly id: Uint8Array; readonly multiaddrs: readonly Uint8Array[] }[]
}

/** What kad-dht is given of what `told` sends, and the stream. */
async function send(make: (sender: Uint8Array) => Told): Promise<{ handled: Handled[]; stream: Stream }> {
  const [node, sender]: Host[] = [await host(), await host({ dht: { mode: 'client' } })]
  if (node === undefined || sender === undefined) throw new Error('there are two')
  const { rpc } = node.libp2p.services.dht as unknown as {
    rpc: { handleMessage: (peer: unknown, message: Handled) => Promise<unknown> }
  }
  const handled: Handled[] = []
  rpc.handleMessage = async (_peer, message) => {
    // the sender looks for its neighbours by itself
    if (message.type !== 'FIND_NODE') handled.push(message)
  }
  const stream = await sender.libp2p.dialProtocol(multiaddr(addrOf(node)), KAD_PROTOCOL)
  stream.send(framed(make(sender.libp2p.peerId.toMultihash().bytes)))
  await until('handled or refused', () => handled.length > 0 || stream.status !== 'open')
  return { handled, stream }
}

const key = randomCid().multihash.bytes
const addrs = (count: number) => Array.from({ length: count }, (_, i) => `/ip4/10.0.0.1/tcp/${i + 1}`)

it('of an announcement it handles one entry: that of the sender', async () => {
  const others: Named[] = [1, 2].map(() => ({ id: nobody(), addrs: addrs(1) }))
  const { handled } = await send(id => ({
    type: TYPES.ADD_PROVIDER,
    key,
    providers: [...others, ...Array.from({ length: 100 }, () => ({ id, addrs: addrs(2) }))]
  }))
  expect(handled).toHaveLength(1)
  expect(handled[0]?.providers).toHaveLength(1)
  expect(handled[0]?.providers[0]?.multiaddrs).toHaveLength(2)
})

it('of its addresses it takes as many as are kept', async () => {
  const { handled } = await send(id => ({ type: TYPES.ADD_PROVIDER, key, providers: [{ id, addrs: addrs(500) }] }))
  expect(handled[0]?.providers[0]?.multiaddrs).toHaveLength(MAX_ADDRS_OF_PEER)
})

it('handles an announcement for others not at all', async () => {
  const { handled } = await send(() => ({
    type: TYPES.ADD_PROVIDER,
    key,
    providers: [{ id: nobody(), addrs: addrs(1) }]
  }))
  expect(handled[0]?.providers).toEqual([])
})

it('ends the stream of who asks for a key that nobody has, or sends more than a question has', async () => {
  const long = await send(() => ({ type: TYPES.GET_PROVIDERS, key: new Uint8Array(MAX_KEY_BYTES + 1) }))
  expect(long.handled).toEqual([])
  const large = await send(id => ({
    type: TYPES.ADD_PROVIDER,
    key,
    providers: [{ id, addrs: addrs(MAX_QUESTION_BYTES / 8) }]
  }))
  expect(large.handled).toEqual([])
  expect((await send(() => ({ type: TYPES.GET_PROVIDERS, key: new Uint8Array(MAX_KEY_BYTES) }))).handled).toHaveLength(
    1
  )
})

it('what a stranger says of another does not replace what that one announced', async () => {
  const [node, sharer, bad] = [await host(), await host(), await host()]
  await sharer.dialer.connectTo(addrOf(node))
  const cid = randomCid()
  await sharer.routing.provide(cid)
  const { id, addrs: real } = nameOf(sharer)
  let asked = 0
  await answerAs(bad, type => {
    if (type === TYPES.GET_PROVIDERS) asked++
    return { closer: [{ id, addrs: addrs(32) }] }
  })
  const stored = async () =>
    (await node.libp2p.peerStore.get(sharer.libp2p.peerId)).addresses.map(a => `${a.multiaddr}`)
  await bad.dialer.connectTo(addrOf(node))
  const look = async () => {
    const before = asked
    for await (const _ of node.routing.findProviders(randomCid(), { signal: AbortSignal.timeout(30_000) })) break
    expect(asked).toBeGreaterThan(before)
  }
  await until('it stands in the table', () => node.routing.tableSize === 2)
  await look()
  expect(await stored()).toEqual(real)
  await sharer.stop()
  await until('it is gone', () => node.libp2p.getConnections(sharer.libp2p.peerId).length === 0)
  await look()
  expect((await stored()).slice(0, real.length)).toEqual(real)
})

it('skips those of its addresses that cannot be read', async () => {
  const unknown = Uint8Array.from([0xfe, 0x7f, 1])
  const { handled } = await send(id => ({
    type: TYPES.ADD_PROVIDER,
    key,
    providers: [{ id, addrs: [unknown, ...addrs(1)] }]
  }))
  expect(handled[0]?.providers[0]?.multiaddrs).toHaveLength(1)
})
