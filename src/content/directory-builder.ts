import type { PBLink } from '@ipld/dag-pb'
import { UnixFS } from 'ipfs-unixfs'
import type { DagLink, NodeSink } from './dag-link.ts'
import { emitNode, encodeNode } from './encode-node.ts'
import { buildHamt } from './hamt-builder.ts'

/** A folder whose block would be larger becomes a HAMT (profile unixfs-v1-2025 counts the bytes of the block). */
export const SHARD_THRESHOLD_BYTES = 256 * 1024

export interface NamedLink extends DagLink {
  /** Well-formed Unicode, unique within the folder. */
  readonly name: string
}

/**
 * Differs from ipfs-unixfs-importer 17.1 in one case, where that departs from Kubo and from its own documentation: it
 * leaves subfolders out of the count, so that a folder of thousands of subfolders becomes one oversized block.
 */
export async function buildDirectory(
  entries: readonly NamedLink[],
  sink: NodeSink,
  thresholdBytes = SHARD_THRESHOLD_BYTES
): Promise<DagLink> {
  const links = sortByName(entries).map((entry): PBLink => ({ Hash: entry.cid, Name: entry.name, Tsize: entry.tsize }))
  const block = encodeNode(new UnixFS({ type: 'directory' }), links)
  return block.byteLength > thresholdBytes ? buildHamt(entries, sink) : emitNode(block, links, sink)
}

export function buildSymlink(target: string, sink: NodeSink): DagLink {
  return emitNode(encodeNode(new UnixFS({ type: 'symlink', data: new TextEncoder().encode(target) }), []), [], sink)
}

/** By bytes of UTF-8, which is not the order of UTF-16 strings. */
function sortByName(entries: readonly NamedLink[]): NamedLink[] {
  return entries
    .map(entry => ({ entry, key: Buffer.from(entry.name) }))
    .sort((a, b) => Buffer.compare(a.key, b.key))
    .map(({ entry }) => entry)
}
