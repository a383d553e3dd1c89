import { generateKeyPair } from '@libp2p/crypto/keys'
import { AbortError, type Transport } from '@libp2p/interface'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { expect, test } from 'vitest'
import { DialGuard, FREE_FAILURES } from '../../../src/node/host/dial-guard.ts'
import { guardDials } from '../../../src/node/host/guarded-transport.ts'

const ADDR = '/ip4/192.0.2.7/tcp/4160'
const peerId = peerIdFromPrivateKey(await generateKeyPair('Ed25519'))

test.each([
  ['called off at once', 100, new AbortError(), 1],
  ['ended by the limit of who asked', 3_000, new AbortError(), 2],
  ['ended by its own limit', 100, new DOMException('', 'TimeoutError'), 2]
])('a dial %s', async (_, afterMs, reason, rank) => {
  let nowMs = 0
  const guard = new DialGuard()
  const called = new AbortController()
  const dial = async () => {
    nowMs += afterMs
    called.abort(reason)
    throw reason
  }
  const transport = guardDials({ dial } as unknown as Transport, guard, () => nowMs)
  const options = { signal: called.signal } as Parameters<Transport['dial']>[1]
  await expect(transport.dial(multiaddr(`${ADDR}/p2p/${peerId}`), options)).rejects.toBe(reason)
  expect(guard.rank(ADDR)).toBe(rank)
})

test.each(['ENETUNREACH', 'ENETDOWN', 'EADDRNOTAVAIL'])('%s: nobody was bothered, so it does not count', async code => {
  const guard = new DialGuard()
  const dial = async () => {
    throw Object.assign(new Error(`connect ${code}`), { code })
  }
  const transport = guardDials({ dial } as unknown as Transport, guard, () => 0)
  const options = {} as Parameters<Transport['dial']>[1]
  for (let time = 0; time < 2 * FREE_FAILURES; time++)
    await expect(transport.dial(multiaddr(`${ADDR}/p2p/${peerId}`), options)).rejects.toMatchObject({ code })
})
