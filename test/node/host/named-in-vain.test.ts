/** A stranger names the address of an honest peer under other IDs, so that nobody dials it any more. */
import { generateKeyPair } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { expect, test } from 'vitest'
import { DEFAULT_ENCRYPTION } from '../../../src/node/encryption.ts'
import { FREE_FAILURES } from '../../../src/node/host/dial-guard.ts'
import { addrOf, host } from './test-hosts.ts'

const nobody = async () => peerIdFromPrivateKey(await generateKeyPair('Ed25519')).toString()

test.each(DEFAULT_ENCRYPTION)('%s: whoever was found at an address is dialled there', async encryption => {
  const [a, honest] = [await host({ encryption: [encryption] }), await host()]
  const { signal } = new AbortController()
  const addrs = [addrOf(honest).replace(/\/p2p\/.*/, '')]
  for (let time = 0; time < 2 * FREE_FAILURES; time++)
    await expect(a.dialer.dial({ id: await nobody(), addrs, seeder: false }, { signal })).rejects.toThrow()
  // it does not speak shoal: the dial itself is what counts
  await a.dialer.dial({ id: honest.peerId, addrs, seeder: false }, { signal }).catch(() => {})
  expect(a.libp2p.getPeers().map(String)).toEqual([honest.peerId])
})
