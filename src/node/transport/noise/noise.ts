/**
 * Noise with the keys of its handshake kept as Node's key objects. The stock one writes each key out as DER and reads
 * it back for each of the three exchanges: 1.6 ms of CPU a handshake and side, of which 0.2 ms are the curve. The wire
 * format, the key schedule and every other primitive are the stock ones.
 */
import { createPrivateKey, createPublicKey, diffieHellman, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { noise as stockNoise } from '@chainsafe/libp2p-noise'
import type { MessageStream } from '@libp2p/interface'
import { leanNoiseStream } from './lean-noise-stream.ts'

/** X25519, RFC 7748. */
const KEY_BYTES = 32
/**
 * Never to be made as an object and exported after: Node 20 holds the key's lock while it makes the string, and where
 * the collector runs just then and finds the finished generation of that very key, that waits for the lock for ever, and
 * the process with it.
 */
const ENCODINGS = {
  publicKeyEncoding: { type: 'spki', format: 'der' },
  privateKeyEncoding: { type: 'pkcs8', format: 'der' }
} as const

/** Its types know no encodings of these. */
const makeKeys = generateKeyPairSync as unknown as (
  type: 'x25519',
  encodings: typeof ENCODINGS
) => { publicKey: Buffer; privateKey: Buffer }

interface KeyPair {
  publicKey: Uint8Array
  privateKey: Uint8Array
}

/** What noise calls, beyond its published type; `subarray` is that of a Uint8Array or Uint8ArrayList. */
interface NoiseView {
  crypto?: {
    generateKeypair?: () => KeyPair
    dh?: (own: KeyPair, peer: { subarray(): Uint8Array }) => Uint8Array
  }
}

export function noise(): ReturnType<typeof stockNoise> {
  const make = stockNoise()
  return components => {
    const encrypter = make(components)
    keepKeyObjects(encrypter as unknown as NoiseView)
    const lean = <Secured extends { connection: MessageStream }>(secured: Secured): Secured => ({
      ...secured,
      connection: leanNoiseStream(secured.connection)
    })
    return Object.assign(Object.create(encrypter) as typeof encrypter, {
      secureInbound: async (...args: Parameters<typeof encrypter.secureInbound>) =>
        lean(await encrypter.secureInbound(...args)),
      secureOutbound: async (...args: Parameters<typeof encrypter.secureOutbound>) =>
        lean(await encrypter.secureOutbound(...args))
    })
  }
}

/** Leaves a noise that is built otherwise as it is. */
function keepKeyObjects(view: NoiseView): void {
  const { crypto } = view
  if (crypto?.generateKeypair === undefined || crypto.dh === undefined) return
  const stockDh = crypto.dh
  const privateKeys = new WeakMap<KeyPair, KeyObject>()
  const generateKeypair = (): KeyPair => {
    const { publicKey, privateKey } = makeKeys('x25519', ENCODINGS)
    // the key is what either ends with (RFC 8410)
    const pair = { publicKey: lastOf(publicKey), privateKey: lastOf(privateKey) }
    privateKeys.set(pair, createPrivateKey({ key: privateKey, ...ENCODINGS.privateKeyEncoding }))
    return pair
  }
  // The static key was made before, and is read once.
  const privateKeyOf = (pair: KeyPair): KeyObject => {
    const known = privateKeys.get(pair)
    if (known !== undefined) return known
    const key = createPrivateKey({
      key: { kty: 'OKP', crv: 'X25519', x: textOf(pair.publicKey), d: textOf(pair.privateKey) },
      format: 'jwk'
    })
    privateKeys.set(pair, key)
    return key
  }
  view.crypto = {
    ...crypto,
    generateKeypair,
    dh: (own, peer) => {
      const x = peer.subarray()
      if (x.byteLength !== KEY_BYTES) return stockDh(own, peer)
      const publicKey = createPublicKey({ key: { kty: 'OKP', crv: 'X25519', x: textOf(x) }, format: 'jwk' })
      return diffieHellman({ privateKey: privateKeyOf(own), publicKey })
    }
  }
}

const textOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64url')
const lastOf = (der: Uint8Array): Uint8Array => Uint8Array.from(der.subarray(-KEY_BYTES))
