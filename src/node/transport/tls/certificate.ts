/** X.509 certificates (RFC 5280), as far as libp2p's TLS needs them: made and taken apart. */
import { createPublicKey, type KeyObject, randomBytes, sign } from 'node:crypto'
import { ShoalError } from '../../../base/errors.ts'
import {
  BIT_STRING,
  BOOLEAN,
  contextTag,
  DerReader,
  encodeDer,
  encodeObjectId,
  GENERALIZED_TIME,
  INTEGER,
  OBJECT_ID,
  OCTET_STRING,
  PRINTABLE_STRING,
  SEQUENCE,
  SET,
  UTC_TIME
} from './der.ts'

/** Well over any real one, which has about 400 bytes; with an RSA key of 8192 bits about 4 KiB. */
export const MAX_CERTIFICATE_BYTES = 16 * 1024
const MAX_EXTENSIONS = 32

/** X.520 serialNumber, of a name. */
const NAME_ATTRIBUTE = '2.5.4.5'
export const ECDSA_SHA256 = '1.2.840.10045.4.3.2'
export const ED25519 = '1.3.101.112'

export interface Extension {
  /** Object identifier with its tag and length. */
  id: Uint8Array
  isCritical: boolean
  value: Uint8Array
}

export interface CertificateContent {
  /** SubjectPublicKeyInfo with its tag and length. */
  publicKeyInfo: Uint8Array
  /** Object identifier with its tag and length. */
  signatureAlgorithm: Uint8Array
  extensions: Extension[]
}

/** @throws ERR_PROTOCOL. Signature and dates are not looked at. */
export function readCertificate(der: Uint8Array): CertificateContent {
  if (der.byteLength > MAX_CERTIFICATE_BYTES) {
    throw new ShoalError('ERR_PROTOCOL', `the certificate has ${der.byteLength} bytes, too many`)
  }
  const file = new DerReader(der, 'certificate')
  const whole = file.enter(SEQUENCE, 'certificate')
  file.end()
  const body = whole.enter(SEQUENCE, 'certificate')
  const signatureAlgorithm = whole.enter(SEQUENCE, 'signature algorithm').next(OBJECT_ID).raw
  whole.next(BIT_STRING)
  whole.end()
  // version, serial number, algorithm, issuer, validity, subject
  body.next(contextTag(0))
  body.next(INTEGER)
  for (let i = 0; i < 4; i++) body.next(SEQUENCE)
  const publicKeyInfo = body.next(SEQUENCE).raw
  const list = body.optional(contextTag(3))
  body.end()
  return {
    publicKeyInfo,
    signatureAlgorithm,
    extensions: list === undefined ? [] : readExtensions(list.content)
  }
}

function readExtensions(bytes: Uint8Array): Extension[] {
  const outer = new DerReader(bytes, 'list of extensions')
  const list = outer.enter(SEQUENCE, 'list of extensions')
  outer.end()
  const extensions: Extension[] = []
  while (!list.isAtEnd) {
    if (extensions.length === MAX_EXTENSIONS) {
      throw new ShoalError('ERR_PROTOCOL', `the certificate has more than ${MAX_EXTENSIONS} extensions`)
    }
    const fields = list.enter(SEQUENCE, 'extension')
    const id = fields.next(OBJECT_ID).raw
    const isCritical = readBoolean(fields.optional(BOOLEAN)?.content)
    const value = fields.next(OCTET_STRING).content
    fields.end()
    extensions.push({ id, isCritical, value })
  }
  return extensions
}

/** False where it is left out. */
function readBoolean(content: Uint8Array | undefined): boolean {
  if (content === undefined) return false
  const [byte] = content
  if (content.byteLength !== 1 || (byte !== 0 && byte !== 0xff)) {
    throw new ShoalError('ERR_PROTOCOL', 'not a proper extension: neither true nor false')
  }
  return byte === 0xff
}

export interface CertificateInit {
  /** Its public half is certified, and it signs: P-256 or Ed25519. */
  privateKey: KeyObject
  /** Whole seconds count. */
  notBefore: Date
  notAfter: Date
  extensions: Extension[]
}

/** Self-signed, in DER. */
export function encodeCertificate({ privateKey, notBefore, notAfter, extensions }: CertificateInit): Uint8Array {
  const isEd25519 = privateKey.asymmetricKeyType === 'ed25519'
  const algorithm = encodeDer(SEQUENCE, encodeObjectId(isEd25519 ? ED25519 : ECDSA_SHA256))
  const serial = randomBytes(16)
  // Positive, without a leading zero byte.
  serial[0] = ((serial[0] ?? 0) & 0x7f) | 0x40
  const name = encodeDer(
    SEQUENCE,
    encodeDer(
      SET,
      encodeDer(
        SEQUENCE,
        encodeObjectId(NAME_ATTRIBUTE),
        encodeDer(PRINTABLE_STRING, Buffer.from(serial.toString('hex')))
      )
    )
  )
  const body = encodeDer(
    SEQUENCE,
    encodeDer(contextTag(0), encodeDer(INTEGER, Uint8Array.of(2))),
    encodeDer(INTEGER, serial),
    algorithm,
    name,
    encodeDer(SEQUENCE, encodeTime(notBefore), encodeTime(notAfter)),
    name,
    createPublicKey(privateKey).export({ type: 'spki', format: 'der' }),
    ...(extensions.length === 0
      ? []
      : [encodeDer(contextTag(3), encodeDer(SEQUENCE, ...extensions.map(encodeExtension)))])
  )
  const signature = sign(isEd25519 ? null : 'sha256', body, privateKey)
  return encodeDer(SEQUENCE, body, algorithm, encodeDer(BIT_STRING, Uint8Array.of(0), signature))
}

function encodeExtension({ id, isCritical, value }: Extension): Uint8Array {
  const critical = isCritical ? [encodeDer(BOOLEAN, Uint8Array.of(0xff))] : []
  return encodeDer(SEQUENCE, id, ...critical, encodeDer(OCTET_STRING, value))
}

/** RFC 5280, 4.1.2.5: two digits for the year before 2050, four from then on. */
function encodeTime(date: Date): Uint8Array {
  const digits = `${date
    .toISOString()
    .replace(/\.\d+Z$/, '')
    .replace(/\D/g, '')}Z`
  return date.getUTCFullYear() < 2050
    ? encodeDer(UTC_TIME, Buffer.from(digits.slice(2)))
    : encodeDer(GENERALIZED_TIME, Buffer.from(digits))
}
