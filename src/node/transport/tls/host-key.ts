/**
 * How a certificate says whose it is: an extension with the host's public key, and that key's signature over the key
 * of the certificate. https://github.com/libp2p/specs/blob/master/tls/tls.md#libp2p-public-key-extension
 */
import { publicKeyFromProtobuf, publicKeyToProtobuf } from '@libp2p/crypto/keys'
import type { PrivateKey, PublicKey } from '@libp2p/interface'
import { ShoalError } from '../../../base/errors.ts'
import type { Extension } from './certificate.ts'
import { DerReader, encodeDer, encodeObjectId, OCTET_STRING, SEQUENCE } from './der.ts'

export const EXTENSION_ID = encodeObjectId('1.3.6.1.4.1.53594.1.1')
const SIGNATURE_PREFIX = Buffer.from('libp2p-tls-handshake:')
/** An RSA key of 8192 bits has about 1 KiB. */
const MAX_KEY_BYTES = 4 * 1024

/** @param publicKeyInfo of the certificate, DER */
export async function hostKeyExtension(hostKey: PrivateKey, publicKeyInfo: Uint8Array): Promise<Extension> {
  const signature = await hostKey.sign(Buffer.concat([SIGNATURE_PREFIX, publicKeyInfo]))
  return {
    id: EXTENSION_ID,
    // As @libp2p/tls does; who does not know it could not know the peer either.
    isCritical: true,
    value: encodeDer(
      SEQUENCE,
      encodeDer(OCTET_STRING, publicKeyToProtobuf(hostKey.publicKey)),
      encodeDer(OCTET_STRING, signature)
    )
  }
}

/**
 * The host's key, when it signed this certificate's.
 * @throws ERR_PROTOCOL
 */
export async function verifyHostKey(extension: Uint8Array, publicKeyInfo: Uint8Array): Promise<PublicKey> {
  const outer = new DerReader(extension, 'libp2p extension')
  const fields = outer.enter(SEQUENCE, 'libp2p extension')
  outer.end()
  const keyBytes = fields.next(OCTET_STRING).content
  const signature = fields.next(OCTET_STRING).content
  fields.end()
  const hostKey = readKey(keyBytes)
  let isValid: boolean
  try {
    isValid = await hostKey.verify(Buffer.concat([SIGNATURE_PREFIX, publicKeyInfo]), signature)
  } catch (cause) {
    throw new ShoalError('ERR_PROTOCOL', 'the signature in the certificate cannot be read', { cause })
  }
  if (!isValid) throw new ShoalError('ERR_PROTOCOL', 'the host key did not sign the key of the certificate')
  return hostKey
}

function readKey(bytes: Uint8Array): PublicKey {
  if (bytes.byteLength > MAX_KEY_BYTES) throw new ShoalError('ERR_PROTOCOL', 'the host key is too long')
  try {
    return publicKeyFromProtobuf(bytes)
  } catch (cause) {
    throw new ShoalError('ERR_PROTOCOL', 'the host key in the certificate is of no known kind', { cause })
  }
}
