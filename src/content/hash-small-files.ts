/** Hashes small files by the hundred on disk threads: what is asked together costs one message. */
import { throwIfAborted } from '../base/errors.ts'
import { cidOf, RAW } from './cid.ts'
import { digestAt, printAt } from './disk/disk-jobs.ts'
import type { DiskThreads } from './disk/disk-threads.ts'
import { CHUNK_BYTES } from './file-builder.ts'
import type { FileFingerprint } from './fingerprint.ts'
import { type HashContext, type HashedFile, hashFile } from './hash-file.ts'
import type { ScannedFile } from './scan.ts'

/** A batch ends at either, so that threads share the work and progress is seen. */
const BATCH_FILES = 256
const BATCH_BYTES = 4 * CHUNK_BYTES

/** Files of one chunk each in batches, in order; `large` are the others. */
export function batchSmallFiles(files: readonly ScannedFile[]): {
  readonly batches: ReadonlyArray<readonly ScannedFile[]>
  readonly large: readonly ScannedFile[]
} {
  const batches: ScannedFile[][] = []
  const large: ScannedFile[] = []
  let batch: ScannedFile[] = []
  let bytes = 0
  for (const file of files) {
    if (file.size > CHUNK_BYTES) {
      large.push(file)
      continue
    }
    if (batch.length === BATCH_FILES || bytes + file.size > BATCH_BYTES) {
      batches.push(batch)
      batch = []
      bytes = 0
    }
    batch.push(file)
    bytes += file.size
  }
  if (batch.length > 0) batches.push(batch)
  return { batches, large }
}

/**
 * @param base absolute, the folder that the paths of the batch are relative to
 * @param onHashed hears of each file
 * @param onFailed hears why one could not be hashed; throws where that ends it all
 */
export async function hashBatch(
  threads: DiskThreads,
  { base, batch }: { readonly base: string; readonly batch: readonly ScannedFile[] },
  context: HashContext,
  {
    onHashed,
    onFailed
  }: { onHashed(path: string, hashed: HashedFile): void; onFailed(path: string, err: unknown): void }
): Promise<void> {
  const { journal } = context
  const take = (file: ScannedFile, digest: Uint8Array, fingerprint: FileFingerprint) => {
    const { size } = fingerprint
    context.onBytes(size)
    onHashed(file.path, { link: { cid: cidOf(RAW, digest), tsize: size, fileSize: size }, fingerprint })
  }
  const unknown = journal?.isEmpty === false ? await recall(threads, base, batch, journal, take) : batch
  const paths = unknown.map(file => `${base}/${file.path}`)
  const { digests, prints, failed } = await threads.run('hashFiles', { paths, maxBytes: CHUNK_BYTES })
  throwIfAborted(context.signal)
  const again = new Set(failed)
  for (const [index, file] of unknown.entries()) {
    if (again.has(index)) continue
    const print = printAt(prints, index)
    const digest = digestAt(digests, index)
    await journal?.add(`${base}/${file.path}`, print, 0, digest)
    take(file, digest, print)
  }
  for (const index of failed) {
    const file = unknown[index]
    if (file === undefined) continue
    try {
      onHashed(file.path, await hashFile(`${base}/${file.path}`, context))
    } catch (err) {
      onFailed(file.path, err)
    }
  }
}

/** Takes what an earlier run hashed. Returns the others. */
async function recall(
  threads: DiskThreads,
  base: string,
  batch: readonly ScannedFile[],
  journal: NonNullable<HashContext['journal']>,
  take: (file: ScannedFile, digest: Uint8Array, print: FileFingerprint) => void
): Promise<readonly ScannedFile[]> {
  const { prints, failed } = await threads.run('statFiles', { paths: batch.map(file => `${base}/${file.path}`) })
  const gone = new Set(failed)
  return batch.filter((file, index) => {
    if (gone.has(index)) return true
    const print = printAt(prints, index)
    const known = print.size > CHUNK_BYTES ? undefined : journal.find(`${base}/${file.path}`, print)
    if (known === undefined) return true
    take(file, known, print)
    return false
  })
}
