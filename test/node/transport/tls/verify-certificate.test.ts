import { generateKeyPair } from '@libp2p/crypto/keys'
import type { KeyType } from '@libp2p/interface'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { generateCertificate, verifyPeerCertificate } from '../../../../node_modules/@libp2p/tls/dist/src/utils.js'
import { ShoalError } from '../../../../src/base/errors.ts'
import { MAX_CERTIFICATE_BYTES } from '../../../../src/node/transport/tls/certificate.ts'
import { certify, makeIdentity } from '../../../../src/node/transport/tls/identity.ts'
import { verifyCertificate } from '../../../../src/node/transport/tls/verify-certificate.ts'
import { ed25519, type Forgery, flipped, forge, NOW, OTHER_EXTENSION, p256 } from './forge.ts'

const derOf = (pem: string) => Buffer.from(pem.replace(/-----[^-]+-----/g, ''), 'base64')
const KEY_TYPES: KeyType[] = ['Ed25519', 'secp256k1', 'RSA']

test.each(KEY_TYPES)('the stock verifier believes ours, and ours the stock one: host key %s', async type => {
  const hostKey = await generateKeyPair(type as 'Ed25519')
  const peer = peerIdFromPrivateKey(hostKey).toString()
  const ours = derOf((await makeIdentity(hostKey, NOW)).cert)
  expect((await verifyPeerCertificate(ours)).toString()).toBe(peer)
  expect((await verifyCertificate(ours, NOW)).toString()).toBe(peer)
  const stock = derOf((await generateCertificate(hostKey)).cert)
  expect((await verifyCertificate(stock, NOW)).toString()).toBe(peer)
})

test.each([-10, 10])('a certificate made by a clock that was %i years off is believed', async years => {
  const hostKey = await generateKeyPair('Ed25519')
  const ours = derOf((await makeIdentity(hostKey, NOW + years * 365 * 24 * 3_600_000)).cert)
  const peer = peerIdFromPrivateKey(hostKey).toString()
  expect((await verifyCertificate(ours, NOW)).toString()).toBe(peer)
  expect((await verifyPeerCertificate(ours)).toString()).toBe(peer)
})

test('a host key that libp2p has no peer IDs for is refused', async () => {
  const { der } = await forge({ hostKey: await generateKeyPair('ECDSA') })
  await expect(verifyCertificate(der, NOW)).rejects.toMatchObject({
    code: 'ERR_PROTOCOL',
    message: expect.stringContaining('no peer ID')
  })
})

test('the key of the certificate may be P-256 or Ed25519', async () => {
  const hostKey = await generateKeyPair('Ed25519')
  for (const key of [p256(), ed25519()]) {
    const der = derOf((await certify(hostKey, key, NOW)).cert)
    expect((await verifyCertificate(der, NOW)).toString()).toBe(peerIdFromPrivateKey(hostKey).toString())
  }
})

test('another extension may be there, when it is not critical, before ours and after', async () => {
  const after = await forge({ extensions: proper => [proper, OTHER_EXTENSION] })
  const before = await forge({ extensions: proper => [OTHER_EXTENSION, { ...proper, isCritical: false }] })
  for (const { der } of [after, before]) await expect(verifyCertificate(der, NOW)).resolves.toBeDefined()
})

test.each<[string, Forgery, RegExp]>([
  ['expired', { notAfter: NOW - 2_000 }, /expired on/],
  ['not yet valid', { notBefore: NOW + 60_000 }, /valid only from/],
  ['without the extension', { extensions: () => [] }, /no libp2p extension/],
  ['with another extension alone', { extensions: () => [OTHER_EXTENSION] }, /no libp2p extension/],
  ['with the extension twice', { extensions: proper => [proper, proper] }, /more than one libp2p extension/],
  [
    'with an unknown critical extension',
    { extensions: proper => [proper, { ...OTHER_EXTENSION, isCritical: true }] },
    /unknown critical/
  ],
  [
    'with a tampered signature of the host',
    { extensions: proper => [{ ...proper, value: flipped(proper.value, proper.value.length - 3) }] },
    /did not sign/
  ],
  ['with a tampered signature of its own', { bend: der => flipped(der, der.length - 1) }, /not signed by its own key/],
  ['with an empty extension', { extensions: proper => [{ ...proper, value: new Uint8Array() }] }, /not a proper/],
  ['with bytes after it', { bend: der => Buffer.concat([der, Uint8Array.of(0)]) }, /left over/],
  ['too large', { bend: der => Buffer.concat([der, new Uint8Array(MAX_CERTIFICATE_BYTES)]) }, /too many/],
  [
    'with more extensions than anybody needs',
    { extensions: proper => [proper, ...Array.from({ length: 40 }, () => OTHER_EXTENSION)] },
    /more than 32/
  ]
])('a certificate %s is refused', async (_what, forgery, message) => {
  const { der } = await forge(forgery)
  await expect(verifyCertificate(der, NOW)).rejects.toMatchObject({
    code: 'ERR_PROTOCOL',
    message: expect.stringMatching(message)
  })
})

test("another host's extension, taken from its certificate, is worth nothing", async () => {
  const victim = await forge()
  let stolen = new Uint8Array()
  await forge({
    privateKey: p256(),
    extensions: proper => {
      stolen = Uint8Array.from(proper.value)
      return [proper]
    }
  })
  expect(victim.der).toBeDefined()
  const { der } = await forge({ extensions: proper => [{ ...proper, value: stolen }] })
  await expect(verifyCertificate(der, NOW)).rejects.toThrow(/did not sign/)
})

test('dates are good to the second on both ends', async () => {
  const edge = Math.floor(NOW / 1000) * 1000
  const { der } = await forge({ notBefore: edge, notAfter: edge + 10_000 })
  await expect(verifyCertificate(der, edge)).resolves.toBeDefined()
  await expect(verifyCertificate(der, edge + 10_000)).resolves.toBeDefined()
  await expect(verifyCertificate(der, edge - 1)).rejects.toThrow(/valid only from/)
  await expect(verifyCertificate(der, edge + 10_001)).rejects.toThrow(/expired/)
})

test('whatever is done to a certificate: a declared error, or the same peer', async () => {
  const hostKey = await generateKeyPair('Ed25519')
  const peer = peerIdFromPrivateKey(hostKey).toString()
  const { der } = await forge({ hostKey })
  const check = async (bytes: Uint8Array) => {
    try {
      // what is signed is untouched, or it is refused
      expect((await verifyCertificate(bytes, NOW)).toString()).toBe(peer)
    } catch (err) {
      expect(err).toBeInstanceOf(ShoalError)
      expect(err).toMatchObject({ code: 'ERR_PROTOCOL' })
    }
  }
  const index = fc.nat(der.length - 1)
  const edits = fc.array(fc.tuple(index, fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 3 })
  await fc.assert(
    fc.asyncProperty(edits, async list => {
      const bent = Uint8Array.from(der)
      for (const [at, value] of list) bent[at] = value
      await check(bent)
    }),
    { numRuns: 600 }
  )
  await fc.assert(
    fc.asyncProperty(index, index, fc.uint8Array({ maxLength: 8 }), async (a, b, middle) => {
      const [from, to] = [Math.min(a, b), Math.max(a, b)]
      await check(Buffer.concat([der.subarray(0, from), middle, der.subarray(to)]))
    }),
    { numRuns: 400 }
  )
  for (let length = 0; length < der.length; length++) {
    await expect(verifyCertificate(der.subarray(0, length), NOW)).rejects.toMatchObject({ code: 'ERR_PROTOCOL' })
  }
})

test('arbitrary bytes are refused', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async bytes => {
      await expect(verifyCertificate(bytes, NOW)).rejects.toMatchObject({ code: 'ERR_PROTOCOL' })
    })
  )
})
