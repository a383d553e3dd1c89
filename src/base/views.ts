/** The front of it, `length` bytes at most. */
export function clip(bytes: Uint8Array | undefined, length: number): Uint8Array | undefined {
  return bytes === undefined || bytes.byteLength <= length ? bytes : bytes.subarray(0, length)
}

/** The bytes and the `length` bytes ahead of them in their memory. @throws RangeError where these are not there */
export function withRoomAhead(bytes: Uint8Array, length: number): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset - length, length + bytes.byteLength)
}
