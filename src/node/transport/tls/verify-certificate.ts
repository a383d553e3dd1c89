/**
 * Who a certificate belongs to, and whether to believe it. Every rule of
 * https://github.com/libp2p/specs/blob/master/tls/tls.md#peer-authentication but for the number of certificates, which
 * only the socket knows.
 */
import { createPublicKey, type KeyObject, X509Certificate } from 'node:crypto'
import type { PeerId } from '@libp2p/interface'
import { peerIdFromPublicKey } from '@libp2p/peer-id'
import { ShoalError } from '../../../base/errors.ts'
import { ECDSA_SHA256, ED25519, readCertificate } from './certificate.ts'
import { encodeObjectId } from './der.ts'
import { EXTENSION_ID, verifyHostKey } from './host-key.ts'

/** With hashes of at least 256 bits, as the specification demands: ECDSA, Ed25519, RSA (PKCS #1). */
const SIGNATURE_ALGORITHMS = [
  ECDSA_SHA256,
  '1.2.840.10045.4.3.3',
  '1.2.840.10045.4.3.4',
  ED25519,
  '1.2.840.113549.1.1.11',
  '1.2.840.113549.1.1.12',
  '1.2.840.113549.1.1.13'
].map(id => Buffer.from(encodeObjectId(id)))

/**
 * The peer that vouches for the certificate.
 * @param der as it came from the peer
 * @param now in ms since 1970
 * @throws ERR_PROTOCOL whatever the bytes are
 */
export async function verifyCertificate(der: Uint8Array, now: number): Promise<PeerId> {
  // First what bounds its size.
  const { publicKeyInfo, signatureAlgorithm, extensions } = readCertificate(der)
  const certificate = parse(der)
  checkValidity(certificate, now)
  checkSelfSigned(certificate, publicKeyInfo, signatureAlgorithm)
  const ours = extensions.filter(({ id }) => isSame(id, EXTENSION_ID))
  const [extension] = ours
  if (extension === undefined || ours.length > 1) {
    refuse(`it has ${extension === undefined ? 'no' : 'more than one'} libp2p extension`)
  }
  if (extensions.some(other => other !== extension && other.isCritical)) refuse('it has an unknown critical extension')
  const hostKey = await verifyHostKey(extension.value, publicKeyInfo)
  try {
    return peerIdFromPublicKey(hostKey)
  } catch (cause) {
    refuse('its host key is of a kind that has no peer ID', cause)
  }
}

function parse(der: Uint8Array): X509Certificate {
  try {
    return new X509Certificate(der)
  } catch (cause) {
    refuse('it cannot be read', cause)
  }
}

function checkValidity(certificate: X509Certificate, now: number): void {
  const [notBefore, notAfter] = [Date.parse(certificate.validFrom), Date.parse(certificate.validTo)]
  if (!(notBefore <= now)) refuse(`it is valid only from ${certificate.validFrom} on; are both clocks right?`)
  if (!(now <= notAfter)) refuse(`it expired on ${certificate.validTo}; are both clocks right?`)
}

/** Also that the key that the host signed is the very key that the TLS layer used. */
function checkSelfSigned(
  certificate: X509Certificate,
  publicKeyInfo: Uint8Array,
  signatureAlgorithm: Uint8Array
): void {
  if (!SIGNATURE_ALGORITHMS.some(known => known.equals(signatureAlgorithm))) {
    refuse('it is signed in a way that is weak or unknown')
  }
  let isSigned: boolean
  let isSameKey: boolean
  let key: KeyObject
  try {
    key = certificate.publicKey
    isSigned = certificate.verify(key)
    isSameKey = createPublicKey({ key: Buffer.from(publicKeyInfo), type: 'spki', format: 'der' }).equals(key)
  } catch (cause) {
    refuse('its key cannot be read', cause)
  }
  if (key.asymmetricKeyType === 'ec' && key.asymmetricKeyDetails?.namedCurve === undefined) {
    refuse('its key is on a curve without a name')
  }
  if (!isSameKey) refuse('its key has two readings')
  if (!isSigned) refuse('it is not signed by its own key')
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0
}

function refuse(why: string, cause?: unknown): never {
  throw new ShoalError('ERR_PROTOCOL', `the certificate is refused: ${why}`, cause === undefined ? {} : { cause })
}
