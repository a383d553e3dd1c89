/** Reads and writes that go on where the system did only a part. */
import type { DiskFile } from './disk.ts'

/** @returns bytes read, fewer than `into` holds only where the file ends */
export async function readFully(file: DiskFile, into: Uint8Array, position: number): Promise<number> {
  let done = 0
  while (done < into.byteLength) {
    const { bytesRead } = await file.read(into, done, into.byteLength - done, position + done)
    if (bytesRead === 0) break
    done += bytesRead
  }
  return done
}

/** @param length of all buffers together */
export async function writeFully(
  file: DiskFile,
  buffers: readonly Uint8Array[],
  position: number,
  length: number
): Promise<void> {
  let at = position
  let rest = buffers.slice()
  while (at < position + length) {
    const { bytesWritten } = await file.writev(rest, at)
    at += bytesWritten
    let skip = bytesWritten
    rest = rest.flatMap(buffer => {
      const dropped = Math.min(skip, buffer.byteLength)
      skip -= dropped
      return dropped === buffer.byteLength ? [] : [buffer.subarray(dropped)]
    })
  }
}
