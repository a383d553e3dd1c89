/** Whether what lies at a destination already is the content, so that nothing needs fetching. */
import { ShoalError, throwIfAborted } from '../../base/errors.ts'
import { Bitfield } from '../bitfield.ts'
import { fingerprintOf } from '../fingerprint.ts'
import type { Manifest } from '../manifest.ts'
import type { Disk } from './disk.ts'
import { eachLimited } from './limit.ts'
import { linkProblem, linksOf } from './link-target.ts'
import { PieceReader } from './piece-reader.ts'
import { RootFiles } from './root-files.ts'

const STATS_AT_ONCE = 32
const HASHES_AT_ONCE = 4

/** Ends the walk at the first difference. */
class Different extends Error {}

export interface ExistingContentInit {
  readonly manifest: Manifest
  /** DAG-node blocks in node index order. */
  readonly blocks: readonly Uint8Array[]
  readonly path: string
  readonly signal?: AbortSignal | undefined
}

/**
 * Compares kinds and sizes first, then hashes. Content with dag-pb leaves is never recognised: their envelopes are not
 * on the disk. What else lies in a folder does not matter.
 * @returns the files, fingerprints taken before they were hashed; undefined where anything differs
 */
export async function existingContent(
  disk: Disk,
  { manifest, blocks, path, signal }: ExistingContentInit
): Promise<RootFiles | undefined> {
  const files = new RootFiles({ disk, manifest, base: path, isPartial: false })
  const links = linksOf(manifest.entries)
  const reader = new PieceReader(manifest, files, {
    have: new Bitfield(manifest.pieces.count),
    envelopes: async () => new Map()
  })
  try {
    await eachLimited(manifest.entries.entries(), STATS_AT_ONCE, async ([index, entry]) => {
      throwIfAborted(signal)
      const at = files.path(index)
      if (entry.kind === 'symlink') {
        if (linkProblem(entry.path, entry.target, links) === undefined && (await disk.readlink(at)) !== entry.target) {
          throw new Different()
        }
        return
      }
      const stats = await disk.lstat(at)
      if (entry.kind === 'directory' ? !stats.isDirectory() : !stats.isFile()) throw new Different()
      if (entry.kind !== 'file') return
      if (Number(stats.size) !== entry.size) throw new Different()
      files.prints.set(index, { ...fingerprintOf(stats), altered: false })
    })
    for (const { entry, fileOffset, node, nodeOffset, length } of manifest.inline) {
      const there = Buffer.alloc(length)
      const want = blocks[node]?.subarray(nodeOffset, nodeOffset + length)
      await files.readUnchecked(entry, fileOffset, there)
      if (want === undefined || !there.equals(want)) throw new Different()
    }
    await eachLimited(spanNumbers(manifest.spanCount), HASHES_AT_ONCE, async k => {
      throwIfAborted(signal)
      const span = manifest.span(k)
      if ((await reader.readSpan(span.piece, span)) === undefined) throw new Different()
    })
    return files
  } catch (err) {
    if (err instanceof ShoalError && err.code === 'ERR_ABORTED') throw err
    return undefined
  } finally {
    await files.close()
  }
}

function* spanNumbers(count: number): Generator<number> {
  for (let k = 0; k < count; k++) yield k
}
