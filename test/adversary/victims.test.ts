/** Liars that name a victim's address, many times over: what arrives at its listening socket is counted. */

import { readFileSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { generateKeyPair } from '@libp2p/crypto/keys'
import type { PeerId } from '@libp2p/interface'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { base32 } from 'multiformats/bases/base32'
import { CID } from 'multiformats/cid'
import { afterEach, expect, it } from 'vitest'
import { MIB } from '../../src/base/units.ts'
import { FREE_FAILURES } from '../../src/node/host/dial-guard.ts'
import { MAX_VAIN_DIALS } from '../../src/transfer/core/hearsay.ts'
import { MAX_PEX_PEERS } from '../../src/transfer/protocol/limits.ts'
import { eachWithLab, type NodeLab } from '../helpers/node-lab.ts'
import { addrOf, host, until } from '../node/host/test-hosts.ts'
import { attack } from './attacker.ts'

let lab: NodeLab
eachWithLab(made => {
  lab = made
})

const servers: Server[] = []
const sockets: Socket[] = []
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy()
  await Promise.all(servers.splice(0).map(server => new Promise(resolve => server.close(resolve))))
})

interface Victim {
  readonly addr: string
  arrivals: number
}

/** A service of somebody else. @param isSilent it says nothing; else it hangs up */
async function victim(isSilent: boolean): Promise<Victim> {
  const made = { addr: '', arrivals: 0 }
  const server = createServer(socket => {
    made.arrivals += 1
    socket.on('error', () => {})
    if (isSilent) sockets.push(socket)
    else socket.destroy()
  })
  servers.push(server)
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  return Object.assign(made, { addr: `/ip4/127.0.0.1/tcp/${port}` })
}

const someIds = (count: number): Promise<PeerId[]> =>
  Promise.all(Array.from({ length: count }, async () => peerIdFromPrivateKey(await generateKeyPair('Ed25519'))))

/** A seeder, and who fetches from it: long enough for others to be dialled. */
async function fetching(options: { peers?: string[] } = {}) {
  const { path, bytes } = lab.file('content', 24 * MIB)
  const seeder = await lab.start('seeder')
  const { cid, link } = await seeder.share(path)
  await seeder.setLimits({ up: 10e6 })
  const getter = await lab.start('getter', options)
  const transfer = getter.fetch(link, { to: join(lab.dir, 'got') })
  await until('the manifest', () => transfer.snapshot().state === 'fetching')
  const finish = async () => {
    await transfer.done
    expect(Buffer.compare(readFileSync(join(lab.dir, 'got')), bytes)).toBe(0)
  }
  return { cid, getter, finish }
}

it.each([
  ['silent', true],
  ['hanging up', false]
])('peer exchange that names one address, %s, under many names (FREE_FAILURES)', async (_what, isSilent) => {
  const target = await victim(isSilent)
  const { cid, getter, finish } = await fetching()
  for (let liar = 0; liar < 4; liar++) {
    const stream = await attack(await host(), getter.addrs[0] ?? '')
    stream.hello(cid, { kind: 'none' })
    const added = (await someIds(MAX_PEX_PEERS)).map(id => ({ id: id.toString(), addrs: [target.addr], seeder: true }))
    stream.say({ type: 'pex', added, dropped: [] })
  }
  await until('a dial in vain', () => target.arrivals > 0)
  await finish()
  expect(target.arrivals).toBeLessThanOrEqual(FREE_FAILURES)
})

it('peer exchange that names many addresses of a host (MAX_VAIN_DIALS for each teller)', async () => {
  const liars = 4
  const targets = await Promise.all(Array.from({ length: MAX_PEX_PEERS }, () => victim(false)))
  const { cid, getter, finish } = await fetching()
  for (let liar = 0; liar < liars; liar++) {
    const stream = await attack(await host(), getter.addrs[0] ?? '')
    stream.hello(cid, { kind: 'none' })
    const ids = await someIds(targets.length)
    const added = targets.map(({ addr }, at) => ({ id: `${ids[at]}`, addrs: [addr], seeder: true }))
    stream.say({ type: 'pex', added, dropped: [] })
  }
  const arrivals = () => targets.reduce((sum, target) => sum + target.arrivals, 0)
  await until('a dial in vain', () => arrivals() > 0)
  await finish()
  expect(arrivals()).toBeLessThanOrEqual(liars * MAX_VAIN_DIALS)
})

it('provider records of a hostile DHT node that name one address (FREE_FAILURES)', async () => {
  const target = await victim(false)
  const liar = await host()
  const names = await someIds(20)
  const { path } = lab.file('content', 24 * MIB)
  const sharer = await lab.start('sharer')
  const { cid } = await sharer.share(path)
  const { dht } = liar.libp2p.services
  for (const id of names) {
    await liar.libp2p.peerStore.merge(id, { multiaddrs: [multiaddr(target.addr)] })
    await (dht as unknown as DhtInside).providers.addProvider(CID.parse(cid, base32), id)
  }
  await sharer.setLimits({ up: 10e6 })
  const getter = await lab.start('getter', { peers: [addrOf(liar), sharer.addrs[0] ?? ''] })
  const transfer = getter.fetch(cid, { to: join(lab.dir, 'got') })
  await until('a dial in vain', () => target.arrivals > 0)
  await transfer.done
  expect(target.arrivals).toBeLessThanOrEqual(FREE_FAILURES)
})

it('provider records that name many ports of a host (FREE_FAILURES each)', async () => {
  const targets = await Promise.all(Array.from({ length: 2 * FREE_FAILURES }, () => victim(false)))
  const liar = await host()
  const { path } = lab.file('content', 24 * MIB)
  const sharer = await lab.start('sharer')
  const { cid } = await sharer.share(path)
  await sharer.setLimits({ up: 10e6 })
  const { dht } = liar.libp2p.services
  for (const [at, id] of (await someIds(targets.length)).entries()) {
    await liar.libp2p.peerStore.merge(id, { multiaddrs: [multiaddr(targets[at]?.addr ?? '')] })
    await (dht as unknown as DhtInside).providers.addProvider(CID.parse(cid, base32), id)
  }
  const getter = await lab.start('getter', { peers: [addrOf(liar), sharer.addrs[0] ?? ''] })
  const transfer = getter.fetch(cid, { to: join(lab.dir, 'got') })
  await until('a dial in vain', () => targets.some(({ arrivals }) => arrivals > 0))
  await transfer.done
  for (const { arrivals } of targets) expect(arrivals).toBeLessThanOrEqual(FREE_FAILURES)
})

/** What the stock DHT keeps to itself. */
interface DhtInside {
  providers: { addProvider(cid: CID, provider: PeerId): Promise<void> }
}
