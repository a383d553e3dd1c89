/** The CID of a file or folder, without sharing it. Starts no network and opens no store. */
import { ingest } from '../content/ingest.ts'
import type { ShareOptions, Skipped } from './api.ts'

export interface HashedPath {
  cid: string
  /** Absolute. */
  path: string
  /** Bytes of all files. */
  size: number
  pieces: number
  files: number
  skipped: Skipped[]
}

export interface HashOptions extends ShareOptions {
  /**
   * A data folder, where what is hashed is noted as it goes, so that the same call after an interruption hashes only the
   * rest. Neither made nor locked.
   */
  dataDir?: string
}

export async function hashPath(path: string, options: HashOptions = {}): Promise<HashedPath> {
  const { manifest, skipped, path: absolute } = await ingest(path, options)
  return {
    cid: manifest.root.toString(),
    path: absolute,
    size: manifest.totalBytes,
    pieces: manifest.pieces.count,
    files: manifest.entries.reduce((count, entry) => count + (entry.kind === 'file' ? 1 : 0), 0),
    skipped: [...skipped]
  }
}
