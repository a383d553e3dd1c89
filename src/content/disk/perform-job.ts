/**
 * The work of a disk thread, synchronous: without a promise and a thread switch for each call, hashing a file of
 * 4 KiB costs some 13 µs of a core. One file is open at a time.
 */
import { hash } from 'node:crypto'
import {
  type BigIntStats,
  closeSync,
  constants,
  fdatasyncSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readSync,
  writeSync
} from 'node:fs'
import { dirname } from 'node:path'
import { systemCode } from '../../base/errors.ts'
import { sha256 } from '../../base/sha256.ts'
import { fingerprintOf, identityOf, sameFingerprint } from '../fingerprint.ts'
import {
  type CreateFiles,
  DIGEST_BYTES,
  type DiskJobs,
  type FilesCreated,
  type FilesHashed,
  type FilesRead,
  type FilesStated,
  type FilesSynced,
  type HashFiles,
  type HashParts,
  type HashSpans,
  type JobKind,
  type PartsHashed,
  type PartsWritten,
  Prints,
  type ReadFiles,
  type SpansHashed,
  type StatFiles,
  type SyncFiles,
  type WriteParts
} from './disk-jobs.ts'
import { spanAt } from './shared-spans.ts'
import { syncFileSystem } from './sync-program.ts'

const { O_RDONLY, O_WRONLY, O_RDWR, O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK } = constants
/** Never through a symbolic link, never waiting for a FIFO's other end. */
const SAFELY = O_NOFOLLOW | O_NONBLOCK
const NEW_FILE_MODE = 0o666
/**
 * Of one write at most. The kernel has pages for so much at hand; for more it looks among its free memory, and on a
 * virtual machine that gives that back to its host each page has to be fetched again: a file of 768 MiB was written at
 * 0.4 to 0.6 GB/s in writes of 64 KiB to 1 MiB, at 2.6 to 3 in writes of 32 KiB. Where memory is at hand it is 2.2 to
 * 3.3 of 5 GB/s.
 */
const WRITE_BYTES = 32 * 1024

/** Grows to the longest range that was asked for. */
let buffer = Buffer.alloc(0)

type FailedSync = FilesSynced['failed'][number]

type Performers = { readonly [K in JobKind]: (job: DiskJobs[K]['job']) => DiskJobs[K]['answer'] }

const performers: Performers = {
  hashSpans,
  hashParts,
  writeParts,
  hashFiles,
  readFiles,
  createFiles,
  syncFiles,
  statFiles
}

/** @throws the system error where the job as a whole cannot be done */
export function performJob<K extends JobKind>(kind: K, job: DiskJobs[K]['job']): DiskJobs[K]['answer'] {
  return performers[kind](job)
}

function hashSpans({ fd, positions, lengths }: HashSpans): SpansHashed {
  const digests = new Uint8Array(positions.length * DIGEST_BYTES)
  const short: number[] = []
  for (const [index, position] of positions.entries()) {
    const length = lengths[index] ?? 0
    if (readInto(fd, position, length) < length) short.push(index)
    else digests.set(hash('sha256', buffer.subarray(0, length), 'buffer'), index * DIGEST_BYTES)
  }
  return { digests, short }
}

function hashParts({ parts }: HashParts): PartsHashed {
  return { digest: Uint8Array.from(sha256(parts)) }
}

function writeParts({ fd, position, parts }: WriteParts): PartsWritten {
  let bytesWritten = 0
  try {
    for (const part of parts) {
      for (let at = 0; at < part.byteLength; ) {
        const to = position + bytesWritten
        const length = Math.min(WRITE_BYTES - (to % WRITE_BYTES), part.byteLength - at)
        const taken = writeSync(fd, part, at, length, to)
        at += taken
        bytesWritten += taken
        if (taken < length) return { bytesWritten }
      }
    }
  } catch (err) {
    if (bytesWritten === 0) throw err
  }
  return { bytesWritten }
}

function hashFiles({ paths, maxBytes }: HashFiles): FilesHashed {
  const digests = new Uint8Array(paths.length * DIGEST_BYTES)
  const prints = new Prints(paths.length)
  const failed: number[] = []
  for (const [index, path] of paths.entries()) {
    const isHashed = withFile(path, O_RDONLY | SAFELY, fd => {
      const before = fstatSync(fd, { bigint: true })
      const size = Number(before.size)
      if (!before.isFile() || size > maxBytes || readInto(fd, 0, size) < size) return false
      digests.set(hash('sha256', buffer.subarray(0, size), 'buffer'), index * DIGEST_BYTES)
      // such as those of /proc, whose size is 0
      if (readInto(fd, size, 1) > 0) return false
      prints.set(index, before)
      return sameFingerprint(fingerprintOf(before), fingerprintOf(fstatSync(fd, { bigint: true })))
    })
    if (isHashed !== true) failed.push(index)
  }
  return { digests, prints: prints.fields, failed }
}

function readFiles({ paths, positions, into: spans }: ReadFiles): FilesRead {
  const prints = new Prints(paths.length)
  const failed: number[] = []
  for (const [index, path] of paths.entries()) {
    const into = spanAt(spans, index)
    const isRead = withFile(path, O_RDONLY | SAFELY, fd => {
      const before = fstatSync(fd, { bigint: true })
      if (!before.isFile() || readFully(fd, positions[index] ?? 0, into) < into.byteLength) return false
      prints.set(index, before)
      return sameFingerprint(fingerprintOf(before), fingerprintOf(fstatSync(fd, { bigint: true })))
    })
    if (isRead !== true) failed.push(index)
  }
  return { prints: prints.fields, failed }
}

/** O_EXCL: a file that is new is nobody else's, under no second name, and has no bytes to be overwritten. */
function createFiles({ paths, contents, drive }: CreateFiles): FilesCreated {
  if (drive !== undefined && !liesOn(drive)) return { identities: paths.map(() => null) }
  const identities: Array<string | null> = []
  for (const [index, path] of paths.entries()) {
    const content = spanAt(contents, index)
    const create = () => withFile(path, O_WRONLY | O_CREAT | O_EXCL | SAFELY, fd => writeNew(fd, content))
    let identity = create()
    if (identity === 'ENOENT' && makeFolderOf(path)) identity = create()
    identities.push(typeof identity === 'object' ? identityOf(identity) : null)
  }
  return { identities }
}

function liesOn({ folder, dev }: NonNullable<CreateFiles['drive']>): boolean {
  const stats = attempt(() => lstatSync(folder, { bigint: true }))
  return typeof stats === 'object' && stats.dev === dev
}

function syncFiles(job: SyncFiles): FilesSynced {
  return syncByProgram(job) ?? syncEach(job)
}

/** Looks at the names afterwards: a file that is still under its name then is one of those that were synced. */
function syncByProgram({ paths, identities, program }: SyncFiles): FilesSynced | undefined {
  if (program === null) return undefined
  const failed: FailedSync[] = []
  const replaced: number[] = []
  // Devices of file systems.
  const synced = new Set<bigint>()
  for (const [index, path] of paths.entries()) {
    try {
      let stats = lstatSync(path, { bigint: true })
      if (stats.isFile() && !synced.has(stats.dev)) {
        if (!syncFileSystem(program, path)) return undefined
        synced.add(stats.dev)
        stats = lstatSync(path, { bigint: true })
      }
      const known = identities[index] ?? null
      if (!stats.isFile() || (known !== null && known !== identityOf(stats))) replaced.push(index)
      // moved to another file system meanwhile
      else if (!synced.has(stats.dev)) return undefined
    } catch (err) {
      failed.push({ index, code: systemCode(err), message: String(err) })
    }
  }
  return { replaced, failed, isByProgram: true }
}

function syncEach({ paths, identities }: SyncFiles): FilesSynced {
  const replaced: number[] = []
  const failed: FailedSync[] = []
  for (const [index, path] of paths.entries()) {
    const known = identities[index] ?? null
    try {
      const fd = openSync(path, O_RDWR | SAFELY)
      try {
        const stats = fstatSync(fd, { bigint: true })
        if (stats.nlink === 0n || (known !== null && known !== identityOf(stats))) replaced.push(index)
        else fdatasyncSync(fd)
      } finally {
        closeSync(fd)
      }
    } catch (err) {
      failed.push({ index, code: systemCode(err), message: String(err) })
    }
  }
  return { replaced, failed, isByProgram: false }
}

function statFiles({ paths }: StatFiles): FilesStated {
  const prints = new Prints(paths.length)
  const failed: number[] = []
  for (const [index, path] of paths.entries()) {
    const stats = attempt(() => lstatSync(path, { bigint: true }))
    if (typeof stats === 'object' && stats.isFile()) prints.set(index, stats)
    else failed.push(index)
  }
  return { prints: prints.fields, failed }
}

function writeNew(fd: number, content: Uint8Array): BigIntStats {
  let done = 0
  while (done < content.byteLength) done += writeSync(fd, content, done, content.byteLength - done, done)
  return fstatSync(fd, { bigint: true })
}

function makeFolderOf(path: string): boolean {
  return attempt(() => mkdirSync(dirname(path), { recursive: true }) ?? true) !== undefined
}

/** Reads to the front of the buffer. Returns fewer bytes only where the file ends. */
function readInto(fd: number, position: number, length: number): number {
  if (buffer.byteLength < length) buffer = Buffer.allocUnsafeSlow(length)
  return readFully(fd, position, buffer.subarray(0, length))
}

function readFully(fd: number, position: number, into: Uint8Array): number {
  let had = 0
  while (had < into.byteLength) {
    const got = readSync(fd, into, had, into.byteLength - had, position + had)
    if (got === 0) break
    had += got
  }
  return had
}

/** What `work` gives, or the code of the system error that opening, working or closing ended with. */
function withFile<T>(path: string, flags: number, work: (fd: number) => T): T | string | undefined {
  return attempt(() => {
    const fd = openSync(path, flags, NEW_FILE_MODE)
    try {
      return work(fd)
    } finally {
      closeSync(fd)
    }
  })
}

function attempt<T>(work: () => T): T | string | undefined {
  try {
    return work()
  } catch (err) {
    return systemCode(err)
  }
}
