/** A node that nobody answers dials anew whom it is connected to, and gives up no connection for nothing. */
import { expect, test } from 'vitest'
import { silentLogger } from '../../../src/base/log.ts'
import type { Host } from '../../../src/node/host/create-host.ts'
import { type AskForLife, redialSilent } from '../../../src/node/host/redial-silent.ts'
import { addrOf, host, until } from './test-hosts.ts'

const silence: AskForLife = async () => {
  throw new Error('no answer')
}

const redial = (of: Host, ping: AskForLife, addrs: readonly string[] = []) =>
  redialSilent({
    libp2p: of.libp2p,
    ping,
    addrsOf: () => addrs,
    log: silentLogger,
    signal: new AbortController().signal
  })

const ids = (of: Host) => of.libp2p.getConnections().map(({ id }) => id)

async function pair(): Promise<{ a: Host; b: Host; before: string[] }> {
  const [a, b] = await Promise.all([host(), host()])
  await a.dialer.connectTo(addrOf(b))
  await until('both have it', () => b.libp2p.getConnections().length === 1)
  return { a, b, before: ids(a) }
}

test('who does not answer is dialled anew, and the silent connection ends', async () => {
  const { a, b, before } = await pair()
  await redial(a, silence)
  await until('one connection', () => ids(a).length === 1)
  expect(ids(a)).not.toEqual(before)
  expect(a.libp2p.getPeers().map(String)).toEqual([b.peerId])
})

test('who answers, or is there and refuses to, keeps its connection', async () => {
  const { a, before } = await pair()
  await redial(a, async () => {})
  await redial(a, async () => {
    throw Object.assign(new Error('it does not speak that'), { name: 'UnsupportedProtocolError' })
  })
  expect(ids(a)).toEqual(before)
})

test('a silent connection stays when there is no other: the peer may only be slow', async () => {
  const { a, b } = await pair()
  const before = ids(b)
  // whoever dialled us is dialled where it said that it is; unknown, and then where nobody listens
  await redial(b, silence)
  await redial(b, silence, ['/ip4/127.0.0.1/tcp/1'])
  expect(ids(b)).toEqual(before)
  await redial(b, silence, [addrOf(a).replace(/\/p2p\/.*/, '')])
  await until('one connection', () => ids(b).length === 1)
  expect(ids(b)).not.toEqual(before)
})
