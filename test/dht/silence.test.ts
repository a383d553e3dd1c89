/** A peer that stops answering, and answers again, over real connections that stand all the while. Nobody asks it. */
import { generateKeyPair } from '@libp2p/crypto/keys'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { tableOf } from '../../scripts/soak/dht-network.mjs'
import { SocketLedger } from '../../scripts/soak/sockets.mjs'
import { silentLogger } from '../../src/base/log.ts'
import { createHost, type Host } from '../../src/node/host/create-host.ts'
import { addrOf, LOOPBACK, until } from '../node/host/test-hosts.ts'

/** A connection asks for a sign of life every 3 s instead of 30, and so on. */
const PACE = { pauses: 0.1, limits: 0.3 }
const SLEEPER = 'sleeper'
const LONG_MS = 60_000

let ledger: SocketLedger
let hosts: Host[] = []
/** How each would look around. */
const looks = new Map<Host, Host['libp2p']['services']['dht']['getClosestPeers']>()
beforeEach(() => {
  ledger = new SocketLedger()
})
afterEach(async () => {
  await Promise.all(hosts.map(host => host.stop()))
  hosts = []
  looks.clear()
  ledger.close()
})

async function start(name: string): Promise<Host> {
  const privateKey = await generateKeyPair('Ed25519')
  // noise: under TLS the runtime itself reads and writes the sockets
  const options = { privateKey, listen: [LOOPBACK], log: silentLogger, encryption: ['noise'] as const }
  const host = await ledger.run(name, () => createHost({ ...options, dht: { pace: PACE } }))
  // Nobody looks around: a question that fails would find the silent one too.
  const { dht } = host.libp2p.services
  looks.set(host, dht.getClosestPeers.bind(dht))
  dht.getClosestPeers = async function* () {}
  hosts.push(host)
  return host
}

/** Everybody whom a node names that is asked for its nearest. */
async function namedBy(asked: Host, asker: Host): Promise<Set<string>> {
  const named = new Set<string>()
  const key = new Uint8Array([1, 2, 3])
  const signal = AbortSignal.timeout(LONG_MS)
  for await (const event of looks.get(asker)?.(key, { signal }) ?? []) {
    if (event.name !== 'PEER_RESPONSE' || event.from.toString() !== asked.peerId) continue
    for (const { id } of event.closer) named.add(id.toString())
  }
  return named
}

const linkTo = (from: Host, to: Host) =>
  from.libp2p.getConnections().flatMap(({ id, remotePeer }) => (remotePeer.toString() === to.peerId ? [id] : []))

test('who stops answering leaves every table and is named to nobody; who answers again is back', async () => {
  const [a, b, sleeper] = [await start('a'), await start('b'), await start(SLEEPER)]
  await b.dialer.connectTo(addrOf(a))
  await ledger.run(SLEEPER, () => Promise.all([a, b].map(host => sleeper.dialer.connectTo(addrOf(host)))))
  const others = [a, b]
  await until('they know each other', () => hosts.every(host => tableOf(host).length === 2), LONG_MS)
  const links = others.map(host => linkTo(host, sleeper))
  expect(await namedBy(a, b)).toContain(sleeper.peerId)

  ledger.hold(SLEEPER)
  await until('it left', () => others.every(host => !tableOf(host).includes(sleeper.peerId)), LONG_MS)
  const newcomer = await start('newcomer')
  await newcomer.dialer.connectTo(addrOf(a))
  await until('the newcomer is in', () => [a, b].every(host => tableOf(newcomer).includes(host.peerId)), LONG_MS)
  for (const asked of others) {
    const named = await namedBy(asked, newcomer)
    expect(named.size).toBeGreaterThan(0)
    expect(named).not.toContain(sleeper.peerId)
  }
  expect(tableOf(newcomer)).not.toContain(sleeper.peerId)
  // only it was silent: nobody ended a connection, or lost another peer
  expect(others.map(host => linkTo(host, sleeper))).toEqual(links)
  expect(tableOf(a)).toContain(b.peerId)

  ledger.release(SLEEPER)
  await until('it is back', () => others.every(host => tableOf(host).includes(sleeper.peerId)), LONG_MS)
  expect(others.map(host => linkTo(host, sleeper))).toEqual(links)
  for (const asked of others) expect(await namedBy(asked, newcomer)).toContain(sleeper.peerId)
}, 240_000)
