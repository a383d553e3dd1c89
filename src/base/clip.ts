/** The front of it, `length` bytes at most. */
export function clip(bytes: Uint8Array | undefined, length: number): Uint8Array | undefined {
  return bytes === undefined || bytes.byteLength <= length ? bytes : bytes.subarray(0, length)
}
