import { createHash, hash } from 'node:crypto'

/** Of the parts, one after another. What is whole goes in one call, without an object that the collector is left with. */
export function sha256(parts: readonly Uint8Array[]): Buffer {
  const [first] = parts
  if (first !== undefined && parts.length === 1) return hash('sha256', first, 'buffer')
  const sum = createHash('sha256')
  for (const part of parts) sum.update(part)
  return sum.digest()
}
