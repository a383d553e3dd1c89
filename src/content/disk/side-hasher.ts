/** Hashes what lies in memory here on a disk thread. */
import type { DiskThreads } from './disk-threads.ts'

export type SideHasher = ReturnType<typeof sideHasher>

export function sideHasher(threads: DiskThreads) {
  return {
    /**
     * SHA-256 of the fronts of the buffers, `lengths` bytes of each, one after another. Each is all of its memory, which
     * moves away and comes back as another: they are empty from now on, whatever becomes of it.
     * @throws ERR_IO, ERR_NOT_RUNNING: then the bytes are lost
     */
    sha256: async (parts: readonly Uint8Array<ArrayBuffer>[], lengths: readonly number[]) => {
      const buffers = parts.map(({ buffer }) => buffer)
      const answer = await threads.run('hashParts', { buffers, lengths: Uint32Array.from(lengths) }, buffers)
      return { digest: answer.digest, buffers: answer.buffers.map(buffer => new Uint8Array(buffer)) }
    }
  }
}
