/** Disk threads whose work is done on this one: what they do is the same, and needs no compiled worker. */
import type { DiskLease, DiskThreads } from '../../../src/content/disk/disk-threads.ts'
import { performJob } from '../../../src/content/disk/perform-job.ts'

export const hereAsThread: DiskThreads = { run: async (kind, job) => performJob(kind, job) }

export const hereAsLease: DiskLease = { threads: hereAsThread, release: async () => {} }
