/** Hashes a file or folder where it lies, without a copy, and gives what the store and the swarm need of it. */
import type { FileFingerprint } from './fingerprint.ts'
import type { Manifest } from './manifest.ts'

export interface Skipped {
  /** Relative to the ingested folder, '/'-separated; printable (control characters and stray bytes escaped). */
  readonly path: string
  /** One short phrase: `socket`, `no permission`, `changed while it was read`, … */
  readonly reason: string
}

export interface IngestProgress {
  /** Bytes hashed so far. */
  readonly bytes: number
  /** Bytes known to be there; grows while the folder is walked. */
  readonly totalBytes: number
  /** Files hashed so far. */
  readonly files: number
}

export interface IngestOptions {
  /** Include names that begin with a dot. Default true. */
  hidden?: boolean
  signal?: AbortSignal
  /** Called at most every 100 ms, and once at the end. */
  onProgress?: (progress: IngestProgress) => void
}

export interface Ingested {
  readonly manifest: Manifest
  /**
   * DAG-node blocks in node index order. Empty for a raw root (a file of at most 1 MiB): its only block is piece 0,
   * whose bytes are the file.
   */
  readonly blocks: readonly Uint8Array[]
  /** By index into `manifest.entries`; every file entry has one, no other entry does. */
  readonly fingerprints: ReadonlyMap<number, FileFingerprint>
  readonly skipped: readonly Skipped[]
  /** Absolute, symbolic links of the top-level path resolved. */
  readonly path: string
}

export type Ingest = (path: string, options?: IngestOptions) => Promise<Ingested>
