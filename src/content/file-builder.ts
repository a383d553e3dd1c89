import { createHash } from 'node:crypto'
import type { PBLink } from '@ipld/dag-pb'
import { UnixFS } from 'ipfs-unixfs'
import { cidOf, RAW } from './cid.ts'
import type { FileLink, NodeSink } from './dag-link.ts'
import { emitNode, encodeNode } from './encode-node.ts'

/** Profile unixfs-v1-2025 (IPIP-499). */
export const CHUNK_BYTES = 1024 * 1024
export const LINKS_PER_NODE = 1024

/**
 * The balanced tree over a file's raw leaves, built as they come: a level that holds `width` parts becomes one node of
 * the level above. A file of one leaf is that leaf.
 * Invariant: each level below the topmost holds fewer than `width` parts that have no parent yet.
 */
export class FileBuilder {
  readonly #sink: NodeSink
  readonly #width: number
  /** Parts without a parent, leaves first. */
  readonly #levels: FileLink[][] = []
  /** Parts that each level had in all. */
  readonly #counts: number[] = []

  /** @param width links a node, at least 2; differs from the profile in tests alone */
  constructor(sink: NodeSink, width = LINKS_PER_NODE) {
    this.#sink = sink
    this.#width = width
  }

  /** @param digest SHA-256 of the chunk, copied @param size its bytes: CHUNK_BYTES except for the last */
  addLeaf(digest: Uint8Array, size: number): void {
    this.#add(0, { cid: cidOf(RAW, digest), tsize: size, fileSize: size })
  }

  /** Once, when all leaves were added. No leaf at all is the empty file. */
  finish(): FileLink {
    if (this.#levels.length === 0) this.addLeaf(createHash('sha256').digest(), 0)
    for (let level = 0; ; level++) {
      const parts = this.#levels[level] ?? []
      const [only] = parts
      if (only !== undefined && this.#counts[level] === 1) return only
      if (parts.length > 0) this.#reduce(level)
    }
  }

  #add(level: number, part: FileLink): void {
    const parts = this.#levels[level] ?? []
    this.#levels[level] = parts
    this.#counts[level] = (this.#counts[level] ?? 0) + 1
    parts.push(part)
    if (parts.length === this.#width) this.#reduce(level)
  }

  #reduce(level: number): void {
    const parts = this.#levels[level] ?? []
    this.#levels[level] = []
    const unixfs = new UnixFS({ type: 'file', blockSizes: parts.map(part => BigInt(part.fileSize)) })
    const links: PBLink[] = parts.map(part => ({ Hash: part.cid, Name: '', Tsize: part.tsize }))
    const node = emitNode(encodeNode(unixfs, links), links, this.#sink)
    this.#add(level + 1, { ...node, fileSize: parts.reduce((sum, part) => sum + part.fileSize, 0) })
  }
}
