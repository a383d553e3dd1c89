/** Numbers of 32 bits without a sign, big endian, as the wire has them. */

export function writeU32(buffer: Uint8Array, at: number, value: number): void {
  buffer[at] = value >>> 24
  buffer[at + 1] = value >>> 16
  buffer[at + 2] = value >>> 8
  buffer[at + 3] = value
}

/** Bytes past the end count as 0. */
export function readU32(buffer: Uint8Array, at: number): number {
  return (
    (((buffer[at] ?? 0) << 24) |
      ((buffer[at + 1] ?? 0) << 16) |
      ((buffer[at + 2] ?? 0) << 8) |
      (buffer[at + 3] ?? 0)) >>>
    0
  )
}
