/** Files to measure with: bytes that do not compress and no deduplication helps with, the same in every run. */
import { createCipheriv, createHash } from 'node:crypto'
import { closeSync, mkdirSync, openSync, readSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate as breathe } from 'node:timers/promises'

const CHUNK_BYTES = 8 << 20

/** The ChaCha20 keystream of a seed. @param {string} seed @returns {(length: number) => Buffer} the next bytes of it */
function keystream(seed) {
  const cipher = createCipheriv('chacha20', createHash('sha256').update(seed).digest(), Buffer.alloc(16))
  return length => cipher.update(Buffer.alloc(length))
}

/**
 * @param {string} path
 * @param {number} bytes
 * @param {{ seed: string, signal: AbortSignal }} options
 */
export async function writeBigFile(path, bytes, { seed, signal }) {
  const next = keystream(seed)
  const fd = openSync(path, 'w')
  try {
    for (let written = 0; written < bytes; ) {
      written += writeSync(fd, next(Math.min(CHUNK_BYTES, bytes - written)))
      await breathe()
      signal.throwIfAborted()
    }
  } finally {
    closeSync(fd)
  }
}

/**
 * `count` files of `bytes` each, a hundred to a folder.
 * @param {string} folder
 * @param {number} count
 * @param {number} bytes
 */
export function writeManyFiles(folder, count, bytes) {
  const next = keystream('many files')
  for (let i = 0; i < count; i++) {
    const below = join(folder, String(Math.floor(i / 100)).padStart(3, '0'))
    if (i % 100 === 0) mkdirSync(below, { recursive: true })
    const fd = openSync(join(below, `${String(i).padStart(5, '0')}.bin`), 'w')
    writeSync(fd, next(bytes))
    closeSync(fd)
  }
}

/** Reads it once, so that no measurement waits for the disk. @param {string} path */
export function warm(path) {
  const buffer = Buffer.allocUnsafe(CHUNK_BYTES)
  const fd = openSync(path, 'r')
  while (readSync(fd, buffer, 0, CHUNK_BYTES, null) > 0);
  closeSync(fd)
}
