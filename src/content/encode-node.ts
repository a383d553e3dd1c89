import { encode, type PBLink } from '@ipld/dag-pb'
import type { UnixFS } from 'ipfs-unixfs'
import { sha256 } from '../base/sha256.ts'
import { cidOf, DAG_PB } from './cid.ts'
import type { DagLink, NodeSink } from './dag-link.ts'

/** Links first, as the profile has it. @param links in order of their names' bytes */
export function encodeNode(unixfs: UnixFS, links: PBLink[]): Uint8Array {
  return encode({ Data: unixfs.marshal(), Links: links })
}

/** Hashes the block and hands it to the sink. @param links those that the block holds */
export function emitNode(block: Uint8Array, links: readonly PBLink[], sink: NodeSink): DagLink {
  const cid = cidOf(DAG_PB, sha256([block]))
  sink(cid, block)
  let tsize = block.byteLength
  for (const link of links) tsize += link.Tsize ?? 0
  return { cid, tsize }
}
