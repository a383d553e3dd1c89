/** Hashes what lies in memory here on a disk thread. */
import type { DiskThreads } from './disk-threads.ts'

export type SideHasher = ReturnType<typeof sideHasher>

export function sideHasher(threads: DiskThreads) {
  return {
    /**
     * SHA-256 of the parts, one after another. They lie in shared memory, and must not change meanwhile.
     * @throws ERR_IO, ERR_NOT_RUNNING
     */
    sha256: async (parts: readonly Uint8Array[]) => (await threads.run('hashParts', { parts })).digest
  }
}
