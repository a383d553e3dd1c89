/**
 * A dag-pb block with its UnixFS data as a small view that copies nothing.
 *
 *     PBNode   2: PBLink (repeated), 1: Data              (links before data, or data before links, never mixed)
 *     PBLink   1: Hash (CID), 2: Name, 3: Tsize           (in this order)
 *     Data     1: Type, 2: Data, 3: filesize, 4: blocksizes (repeated), 5: hashType, 6: fanout, 7: mode, 8: mtime
 *
 * It has a decoder of its own because `@ipld/dag-pb` replaces invalid UTF-8 in names and strips a leading byte order
 * mark, and `ipfs-unixfs` does not say where the data lie within the block. Tests hold it against both.
 * Sources: specs.ipfs.tech/unixfs, ipld.io/specs/codecs/dag-pb/spec.
 */
import type { CID } from 'multiformats/cid'
import { cidOf, DAG_PB, RAW, SHA2_256 } from './cid.ts'
import { malformedRoot } from './malformed-root.ts'
import { DEFAULT_MANIFEST_LIMITS, MAX_NODE_BYTES } from './manifest-limits.ts'
import { PbReader, WIRE_BYTES, WIRE_VARINT } from './pb-reader.ts'
import { DIGEST_BYTES, MAX_PIECE_BYTES } from './piece-map.ts'
import { checkFanout, type DagNodeKind, readUnixfs, sumFile } from './unixfs-data.ts'

export type { DagNodeKind } from './unixfs-data.ts'

const NO_TSIZE = -1
/** A dag-pb leaf's envelope is at most about 20 bytes; an inner node has at least one link of about 40. */
const MAX_LEAF_ENVELOPE_BYTES = 32

export class DagNode {
  readonly block: Uint8Array
  readonly kind: DagNodeKind
  /** The UnixFS data: content of a file, target of a symlink. Where it lies within `block`. */
  readonly dataOffset: number
  readonly dataLength: number
  /** Files only: the bytes of file below each link. As many as links. */
  readonly blockSizes: readonly number[]
  /** Files only: own data and all block sizes. 0 for others. */
  readonly fileSize: number
  /** HAMT shards only: children a shard can have, a power of two. 0 for others. */
  readonly fanout: number
  readonly #links: Links

  /**
   * The block is kept, not copied.
   * @throws ERR_MALFORMED_ROOT whatever the bytes are
   */
  constructor(block: Uint8Array, maxLinks: number = DEFAULT_MANIFEST_LIMITS.links) {
    if (block.byteLength > MAX_NODE_BYTES) throw malformedRoot(`a DAG node of ${block.byteLength} bytes`)
    this.block = block
    this.#links = { codecs: [], digestAt: [], nameAt: [], nameLength: [], tsizes: [] }
    const data = readNode(block, this.#links, maxLinks)
    const unixfs = readUnixfs(block, data.start, data.end, maxLinks)
    this.kind = unixfs.kind
    this.dataOffset = unixfs.dataOffset
    this.dataLength = unixfs.dataLength
    this.blockSizes = unixfs.kind === 'file' ? unixfs.blockSizes : []
    this.fanout = unixfs.kind === 'hamt' ? checkFanout(unixfs.fanout) : 0
    this.fileSize = unixfs.kind === 'file' ? sumFile(unixfs, this.linkCount) : 0
    if (unixfs.kind === 'symlink' && this.linkCount > 0) throw malformedRoot('a symbolic link that has links')
  }

  get linkCount(): number {
    return this.#links.codecs.length
  }

  /** RAW or DAG_PB. */
  codec(link: number): typeof RAW | typeof DAG_PB {
    return this.#links.codecs[link] === RAW ? RAW : DAG_PB
  }

  /** Where the 32 bytes of the link's digest begin within `block`. */
  digestOffset(link: number): number {
    return this.#links.digestAt[link] ?? 0
  }

  /** CIDv1, whichever version the link is written in. */
  cid(link: number): CID {
    const at = this.digestOffset(link)
    return cidOf(this.codec(link), this.block.subarray(at, at + DIGEST_BYTES))
  }

  /** The name's bytes, a view. */
  nameBytes(link: number): Uint8Array {
    const at = this.#links.nameAt[link] ?? 0
    return this.block.subarray(at, at + (this.#links.nameLength[link] ?? 0))
  }

  /** Bytes of all blocks at and below the target as the link states them, duplicates counted; undefined if unstated. */
  tsize(link: number): number | undefined {
    const tsize = this.#links.tsizes[link] ?? NO_TSIZE
    return tsize === NO_TSIZE ? undefined : tsize
  }

  /** Hex digits before each name of a HAMT shard. */
  get prefixLength(): number {
    return this.fanout === 0 ? 0 : (this.fanout - 1).toString(16).length
  }

  /**
   * Whether the link leads to a DAG node (which belongs to the manifest) or to a leaf (a piece). A raw block is a leaf.
   * Below a folder a dag-pb block is a DAG node. Within a file it is taken for a leaf when its stated size leaves no
   * room for a link. All peers must come to the same answer, so it depends on this block alone.
   */
  leadsToNode(link: number): boolean {
    if (this.codec(link) === RAW) return false
    if (this.kind !== 'file') return true
    const tsize = this.#links.tsizes[link] ?? NO_TSIZE
    const envelope = tsize - (this.blockSizes[link] ?? 0)
    return !(tsize > 0 && tsize <= MAX_PIECE_BYTES && envelope >= 0 && envelope <= MAX_LEAF_ENVELOPE_BYTES)
  }
}

/**
 * Where a dag-pb leaf's file data lie within its block.
 * @param dataSize what the manifest says: `pieces.dataSize(i)`
 * @throws ERR_MALFORMED_ROOT where the block is no leaf or holds another number of bytes
 */
export function leafData(block: Uint8Array, dataSize: number): { offset: number; length: number } {
  const node = new DagNode(block)
  if (node.kind !== 'file' || node.linkCount > 0) throw malformedRoot('a piece that is no leaf of a file')
  if (node.dataLength !== dataSize) {
    throw malformedRoot(`a piece holds ${node.dataLength} bytes where ${dataSize} are stated`)
  }
  return { offset: node.dataOffset, length: node.dataLength }
}

/** One number per link in each list: a link costs 40 bytes instead of several objects. */
interface Links {
  codecs: number[]
  digestAt: number[]
  nameAt: number[]
  nameLength: number[]
  tsizes: number[]
}

function readNode(block: Uint8Array, links: Links, maxLinks: number): { start: number; end: number } {
  const reader = new PbReader(block)
  let data: { start: number; end: number } | undefined
  let linksClosed = false
  while (!reader.done) {
    const key = reader.varint()
    if (key === ((2 << 3) | WIRE_BYTES)) {
      if (linksClosed) throw malformedRoot('a DAG node with data amid its links')
      if (links.codecs.length >= maxLinks) throw malformedRoot(`a DAG node of more than ${maxLinks} links`)
      const length = reader.skipBytes()
      readLink(new PbReader(block, reader.at - length, reader.at), links)
    } else if (key === ((1 << 3) | WIRE_BYTES)) {
      if (data !== undefined) throw malformedRoot('a DAG node with data twice')
      const length = reader.skipBytes()
      data = { start: reader.at - length, end: reader.at }
      linksClosed = links.codecs.length > 0
    } else throw malformedRoot(`field ${Math.floor(key / 8)} in a dag-pb node`)
  }
  if (data === undefined) throw malformedRoot('a dag-pb node that is not UnixFS')
  return data
}

function readLink(reader: PbReader, links: Links): void {
  let lastField = 0
  let nameAt = 0
  let nameLength = 0
  let tsize = NO_TSIZE
  while (!reader.done) {
    const key = reader.varint()
    const field = Math.floor(key / 8)
    if (field <= lastField) throw malformedRoot('fields of a link that are repeated or out of order')
    lastField = field
    if (key === ((1 << 3) | WIRE_BYTES)) {
      const length = reader.skipBytes()
      readCid(reader.bytes, reader.at - length, length, links)
    } else if (key === ((2 << 3) | WIRE_BYTES)) {
      nameLength = reader.skipBytes()
      nameAt = reader.at - nameLength
    } else if (key === ((3 << 3) | WIRE_VARINT)) {
      tsize = reader.varint()
    } else throw malformedRoot(`field ${field} in a dag-pb link`)
  }
  links.nameAt.push(nameAt)
  links.nameLength.push(nameLength)
  links.tsizes.push(tsize)
  if (links.codecs.length !== links.tsizes.length) throw malformedRoot('a link without a CID')
}

/** CIDv0 is a bare sha2-256 multihash; CIDv1 here is 01, codec, multihash. */
function readCid(bytes: Uint8Array, at: number, length: number, links: Links): void {
  const v1 = length === DIGEST_BYTES + 4 && bytes[at] === 0x01
  const hashAt = v1 ? at + 2 : at
  const codec = v1 ? (bytes[at + 1] ?? 0) : DAG_PB
  const hashed = bytes[hashAt] === SHA2_256 && bytes[hashAt + 1] === DIGEST_BYTES
  if (!(v1 || length === DIGEST_BYTES + 2) || !hashed || (codec !== RAW && codec !== DAG_PB)) {
    throw malformedRoot('a link to content that is not raw or dag-pb under sha2-256')
  }
  links.codecs.push(codec)
  links.digestAt.push(hashAt + 2)
}
