/**
 * What a disk thread is asked and what it answers: plain data, since it is copied or moved between threads. Every job
 * is a batch, because asking and being answered takes some 50 µs, and hashing a small file a quarter of that.
 */
import type { BigIntStats } from 'node:fs'
import type { FileFingerprint } from '../fingerprint.ts'
import type { SharedSpans } from './shared-spans.ts'

export const DIGEST_BYTES = 32
/** Numbers of one fingerprint in `prints`: size, mtime (ns), ctime (ns), inode, device. */
const PRINT_FIELDS = 5

/** SHA-256 of ranges of an open file. */
export interface HashSpans {
  /** Open in this process until the answer is there. */
  readonly fd: number
  readonly positions: Float64Array
  readonly lengths: Uint32Array
}

export interface SpansHashed {
  /** 32 bytes a range. */
  readonly digests: Uint8Array
  /** Ranges that the file ends before: their digests mean nothing. */
  readonly short: readonly number[]
}

/** SHA-256 of bytes in shared memory, one part after another. */
export interface HashParts {
  readonly parts: readonly Uint8Array[]
}

export interface PartsHashed {
  readonly digest: Uint8Array
}

/** Writes bytes in shared memory to an open file, one part after another. */
export interface WriteParts {
  /** Open in this process until the answer is there. */
  readonly fd: number
  readonly position: number
  readonly parts: readonly Uint8Array[]
}

export interface PartsWritten {
  /** Less than all where the system took no more; why, the next write says. */
  readonly bytesWritten: number
}

/** Whole files, read at once. */
export interface HashFiles {
  readonly paths: readonly string[]
  /** A larger file is left to the asker. */
  readonly maxBytes: number
}

export interface FilesHashed {
  readonly digests: Uint8Array
  readonly prints: BigInt64Array
  /** What could not be hashed so, for whatever reason (gone, replaced, changed meanwhile): the asker looks itself. */
  readonly failed: readonly number[]
}

/** One range of each of several files. */
export interface ReadFiles {
  readonly paths: readonly string[]
  readonly positions: Float64Array
  /** Where each range goes, and how long it is. */
  readonly into: SharedSpans
}

export interface FilesRead {
  /** The same before and after the read. */
  readonly prints: BigInt64Array
  /** Shorter, changed meanwhile, no regular file, or an error: the asker looks itself. */
  readonly failed: readonly number[]
}

/** New files with their whole content. Folders on the way are made. */
export interface CreateFiles {
  readonly paths: readonly string[]
  readonly contents: SharedSpans
  /** None is made where that folder does not lie on that device any more: its drive is gone. */
  readonly drive: { readonly folder: string; readonly dev: bigint } | undefined
}

export interface FilesCreated {
  /** `identityOf` each new file; null where none was made (something has its name, no space, …): the asker looks itself. */
  readonly identities: ReadonlyArray<string | null>
}

/** Makes files durable that were written before. */
export interface SyncFiles {
  readonly paths: readonly string[]
  /** `identityOf` each; another file under the name is not synced. Null where it is not known. */
  readonly identities: ReadonlyArray<string | null>
  /** Of `findSyncProgram`: their file systems are synced as a whole. Null: fdatasync of each. */
  readonly program: string | null
}

export interface FilesSynced {
  /** False where the program did not do it, and each file was synced by itself. */
  readonly isByProgram: boolean
  readonly replaced: readonly number[]
  readonly failed: ReadonlyArray<{
    readonly index: number
    readonly code: string | undefined
    readonly message: string
  }>
}

/** `lstat` of regular files. */
export interface StatFiles {
  readonly paths: readonly string[]
}

export interface FilesStated {
  readonly prints: BigInt64Array
  /** No regular file, or an error: the asker looks itself. */
  readonly failed: readonly number[]
}

export interface DiskJobs {
  readonly hashSpans: { readonly job: HashSpans; readonly answer: SpansHashed }
  readonly hashParts: { readonly job: HashParts; readonly answer: PartsHashed }
  readonly writeParts: { readonly job: WriteParts; readonly answer: PartsWritten }
  readonly hashFiles: { readonly job: HashFiles; readonly answer: FilesHashed }
  readonly readFiles: { readonly job: ReadFiles; readonly answer: FilesRead }
  readonly createFiles: { readonly job: CreateFiles; readonly answer: FilesCreated }
  readonly syncFiles: { readonly job: SyncFiles; readonly answer: FilesSynced }
  readonly statFiles: { readonly job: StatFiles; readonly answer: FilesStated }
}

export type JobKind = keyof DiskJobs

export interface JobAsked<K extends JobKind = JobKind> {
  readonly kind: K
  readonly job: DiskJobs[K]['job']
}

/** A system error crosses threads as its code: an Error would lose it. */
export type JobAnswered = { readonly answer: DiskJobs[JobKind]['answer'] } | { readonly error: ThreadFailure }

export class Prints {
  readonly fields: BigInt64Array<ArrayBuffer>

  constructor(count: number) {
    this.fields = new BigInt64Array(count * PRINT_FIELDS)
  }

  set(index: number, stats: BigIntStats): void {
    this.fields.set([stats.size, stats.mtimeNs, stats.ctimeNs, stats.ino, stats.dev], index * PRINT_FIELDS)
  }
}

export function printAt(prints: BigInt64Array, index: number): FileFingerprint {
  const at = index * PRINT_FIELDS
  return {
    size: Number(prints[at] ?? 0n),
    mtimeNs: prints[at + 1] ?? 0n,
    ctimeNs: prints[at + 2] ?? 0n,
    ino: BigInt.asUintN(64, prints[at + 3] ?? 0n),
    dev: BigInt.asUintN(64, prints[at + 4] ?? 0n)
  }
}

export function digestAt(digests: Uint8Array, index: number): Uint8Array {
  return digests.subarray(index * DIGEST_BYTES, (index + 1) * DIGEST_BYTES)
}

/** A system error as a thread tells it. */
export interface ThreadFailure {
  readonly code: string | undefined
  readonly message: string
}

export function errorOf({ code, message }: ThreadFailure): Error {
  return Object.assign(new Error(message), { code })
}
