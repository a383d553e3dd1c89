/** Hashes what the user names, records it, and seeds it. */
import { ShoalError } from '../base/errors.ts'
import { ingest } from '../content/ingest.ts'
import type { ContentStore } from '../content/store/content-store.ts'
import type { Shared, ShareOptions } from './api.ts'
import { checkPath } from './check-arguments.ts'
import type { Fetches } from './fetches.ts'
import type { LimitBook } from './limit-book.ts'
import type { Roots } from './roots.ts'

export interface ShareParts {
  readonly dataDir: string
  readonly store: ContentStore
  readonly fetches: Fetches
  readonly limits: LimitBook
  readonly roots: Roots
}

/** @throws ERR_USAGE for an empty path, ERR_EXISTS while the same content is being fetched, and whatever hashing and recording throw */
export async function share(parts: ShareParts, path: string, options: ShareOptions): Promise<Shared> {
  checkPath('share', path)
  const { store, dataDir, fetches, limits, roots } = parts
  const { manifest, blocks, fingerprints, skipped, path: absolute } = await ingest(path, { ...options, dataDir })
  const name = absolute.slice(absolute.lastIndexOf('/') + 1)
  const cid = manifest.root.toString()
  if (fetches.isFetching(cid)) {
    throw new ShoalError('ERR_EXISTS', `${manifest.root} is being fetched at this moment`, {
      hint: 'wait until the fetch is done; it is seeded then'
    })
  }
  const root = await store.addShared({ manifest, blocks, fingerprints, path: absolute, name })
  await limits.setRoot(cid, options)
  roots.seed(root)
  return {
    cid,
    link: roots.linkTo(manifest.root, name),
    path: absolute,
    size: manifest.totalBytes,
    pieces: manifest.pieces.count,
    files: manifest.entries.reduce((count, entry) => count + (entry.kind === 'file' ? 1 : 0), 0),
    skipped: [...skipped]
  }
}
