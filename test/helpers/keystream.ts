import { createCipheriv, createHash } from 'node:crypto'

/** DET(length, seed) of the vectors: the ChaCha20 keystream with key SHA-256(seed) and a zero nonce. */
export function keystream(length: number, seed: string): Uint8Array {
  const key = createHash('sha256').update(seed).digest()
  const { buffer, byteOffset } = createCipheriv('chacha20', key, Buffer.alloc(16)).update(Buffer.alloc(length))
  // a plain Uint8Array: slice() of a Buffer is no copy
  return new Uint8Array(buffer, byteOffset, length)
}
