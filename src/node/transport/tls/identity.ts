/** What a node shows of itself in a TLS handshake. */
import { constants, createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { createSecureContext, type SecureContext, type SecureContextOptions } from 'node:tls'
import type { PrivateKey } from '@libp2p/interface'
import { encodeCertificate } from './certificate.ts'
import { hostKeyExtension } from './host-key.ts'

/**
 * Whoever made it, and proves to have the key, is there now: the dates protect nothing. Clocks differ, and are set while
 * a process runs, so the certificate was valid always (go-libp2p: for an hour), and is for as long as its process lives.
 */
const VALID_FROM = new Date(0)
const VALID_AFTER_MS = 100 * 365 * 24 * 3_600_000

/** What both sides of a connection agree to; the certificate aside. */
export const CONTEXT_OPTIONS = {
  minVersion: 'TLSv1.3',
  maxVersion: 'TLSv1.3',
  // The first is the fastest where the processor knows AES.
  ciphers: 'TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_256_GCM_SHA384',
  ecdhCurve: 'X25519:P-256',
  // None: else every context reads the authorities that browsers trust.
  ca: [],
  // Each connection proves anew who it is with; nothing is resumed.
  secureOptions: constants.SSL_OP_NO_TICKET
} as const satisfies SecureContextOptions

/** A key and certificate of one process, in PEM. P-256: every implementation takes it. */
export async function makeIdentity(hostKey: PrivateKey, now: number): Promise<{ key: string; cert: string }> {
  // written out as it is made and read back: to export a key that was made as an object may lock up Node 20 (noise.ts)
  const encoding = { type: 'pkcs8', format: 'der' } as const
  const { privateKey } = generateKeyPairSync('ec', {
    namedCurve: 'P-256',
    privateKeyEncoding: encoding,
    publicKeyEncoding: { type: 'spki', format: 'der' }
  })
  return certify(hostKey, createPrivateKey({ key: privateKey, ...encoding }), now)
}

/** @param privateKey of the certificate: P-256 or Ed25519 */
export async function certify(
  hostKey: PrivateKey,
  privateKey: KeyObject,
  now: number
): Promise<{ key: string; cert: string }> {
  const publicKeyInfo = createPublicKey(privateKey).export({ type: 'spki', format: 'der' })
  const certificate = encodeCertificate({
    privateKey,
    notBefore: VALID_FROM,
    notAfter: new Date(now + VALID_AFTER_MS),
    extensions: [await hostKeyExtension(hostKey, publicKeyInfo)]
  })
  return { key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(), cert: toPem(certificate) }
}

export function toPem(certificate: Uint8Array): string {
  const lines =
    Buffer.from(certificate)
      .toString('base64')
      .match(/.{1,64}/g) ?? []
  return ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n')
}

export async function identityContext(hostKey: PrivateKey): Promise<SecureContext> {
  return createSecureContext({ ...CONTEXT_OPTIONS, ...(await makeIdentity(hostKey, Date.now())) })
}
