/** Certificates as they should not be, each wrong in one thing. */
import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { generateKeyPair } from '@libp2p/crypto/keys'
import type { PrivateKey } from '@libp2p/interface'
import { type Extension, encodeCertificate } from '../../../../src/node/transport/tls/certificate.ts'
import { encodeObjectId } from '../../../../src/node/transport/tls/der.ts'
import { hostKeyExtension } from '../../../../src/node/transport/tls/host-key.ts'
import { toPem } from '../../../../src/node/transport/tls/identity.ts'

const HOUR_MS = 3_600_000
export const NOW = Date.now()

export interface Forgery {
  notBefore?: number
  notAfter?: number
  hostKey?: PrivateKey
  /** Of the certificate. */
  privateKey?: KeyObject
  extensions?: (proper: Extension) => Extension[]
  /** Applied to the bytes at last. */
  bend?: (der: Uint8Array) => Uint8Array
}

export const p256 = (): KeyObject => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
export const ed25519 = (): KeyObject => generateKeyPairSync('ed25519').privateKey

export async function forge(forgery: Forgery = {}): Promise<{ der: Uint8Array; cert: string; key: string }> {
  const privateKey = forgery.privateKey ?? p256()
  const publicKeyInfo = createPublicKey(privateKey).export({ type: 'spki', format: 'der' })
  const proper = await hostKeyExtension(forgery.hostKey ?? (await generateKeyPair('Ed25519')), publicKeyInfo)
  const made = encodeCertificate({
    privateKey,
    notBefore: new Date(forgery.notBefore ?? NOW - HOUR_MS),
    notAfter: new Date(forgery.notAfter ?? NOW + HOUR_MS),
    extensions: forgery.extensions?.(proper) ?? [proper]
  })
  const der = forgery.bend?.(made) ?? made
  return { der, cert: toPem(der), key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() }
}

export const OTHER_EXTENSION: Extension = {
  id: encodeObjectId('2.5.29.99'),
  isCritical: false,
  value: Uint8Array.of(5, 0)
}

/** A copy with one byte changed. */
export function flipped(bytes: Uint8Array, at: number): Uint8Array {
  const copy = Uint8Array.from(bytes)
  copy[at] = (copy[at] ?? 0) ^ 0x01
  return copy
}
