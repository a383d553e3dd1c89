/** DAGs made by others for tests: ipfs-unixfs-importer into a map, and dag-pb nodes written by hand. */
import { createHash } from 'node:crypto'
import { encode, type PBLink } from '@ipld/dag-pb'
import { UnixFS } from 'ipfs-unixfs'
import { type ImportCandidate, type ImporterOptions, importer } from 'ipfs-unixfs-importer'
import { fixedSize } from 'ipfs-unixfs-importer/chunker'
import { balanced } from 'ipfs-unixfs-importer/layout'
import type { CID } from 'multiformats/cid'
import { cidOf, type DAG_PB, RAW } from '../../src/content/cid.ts'
import { leafData } from '../../src/content/dag-node.ts'
import type { Manifest } from '../../src/content/manifest.ts'
import { ManifestAssembler } from '../../src/content/manifest-assembler.ts'
import { filePartsOf } from '../../src/content/unixfs-reader.ts'

/** Blocks by digest: a CIDv0 and a CIDv1 of the same block are the same. */
export class BlockMap {
  readonly #blocks = new Map<string, Uint8Array>()
  readonly #keepLeaves: boolean

  constructor(keepLeaves = true) {
    this.#keepLeaves = keepLeaves
  }

  put(cid: CID, block: Uint8Array): CID {
    if (this.#keepLeaves || cid.code !== RAW) this.#blocks.set(key(cid.multihash.digest), block)
    return cid
  }

  get(digest: Uint8Array): Uint8Array {
    const block = this.#blocks.get(key(digest))
    if (block === undefined) throw new Error('no such block')
    return block
  }

  add(codec: typeof RAW | typeof DAG_PB, block: Uint8Array): CID {
    return this.put(cidOf(codec, createHash('sha256').update(block).digest()), block)
  }
}

function key(digest: Uint8Array): string {
  return Buffer.from(digest).toString('hex')
}

/** The root (the last thing that the importer yields). It mutates options, so it gets a copy. */
export async function importWith(
  blocks: BlockMap,
  input: ImportCandidate[] | AsyncIterable<ImportCandidate>,
  options: ImporterOptions = {}
): Promise<CID> {
  let root: CID | undefined
  for await (const entry of importer(
    input,
    { put: async (cid, block) => blocks.put(cid, block as Uint8Array) },
    { ...options }
  )) {
    root = entry.cid
  }
  if (root === undefined) throw new Error('nothing imported')
  return root
}

export const V1_2025: ImporterOptions = { profile: 'unixfs-v1-2025' }
/** Kubo's profile test-cid-v1: 1 MiB chunks, 174 links a node. */
export const TEST_CID_V1: ImporterOptions = {
  cidVersion: 1,
  rawLeaves: true,
  chunker: fixedSize({ chunkSize: 1_048_576 }),
  layout: balanced({ maxChildrenPerNode: 174 })
}
export const V0_2015: ImporterOptions = { profile: 'unixfs-v0-2015' }

export function assemble(root: CID, blocks: BlockMap): Manifest {
  const assembler = new ManifestAssembler(root)
  for (let cid = assembler.nextCid; cid !== undefined; cid = assembler.nextCid) {
    assembler.add(blocks.get(cid.multihash.digest))
  }
  return assembler.finish()
}

/** A file's bytes, part by part. */
export function* readParts(
  manifest: Manifest,
  blocks: BlockMap,
  entry = 0,
  offset = 0,
  length = Infinity
): Generator<Uint8Array> {
  for (const part of filePartsOf(manifest, entry, offset, length)) {
    if (part.kind === 'inline') {
      const node = blocks.get(manifest.nodes[part.node]?.multihash.digest ?? new Uint8Array())
      yield node.subarray(part.nodeOffset, part.nodeOffset + part.length)
    } else {
      const block = blocks.get(manifest.pieces.digest(part.piece))
      const { pieces } = manifest
      if (block.byteLength !== pieces.wireSize(part.piece)) throw new Error('wire size differs')
      const start = pieces.isDagPb(part.piece) ? leafData(block, pieces.dataSize(part.piece)).offset : 0
      yield block.subarray(start + part.pieceOffset, start + part.pieceOffset + part.length)
    }
  }
}

export function readFile(manifest: Manifest, blocks: BlockMap, entry = 0, offset = 0, length = Infinity): Buffer {
  return Buffer.concat([...readParts(manifest, blocks, entry, offset, length)])
}

export interface HandLink {
  cid: CID
  name?: string
  tsize?: number
}

/** A dag-pb node with links in the order given (dag-pb's own encoder insists on sorted names). */
export function handNode(unixfs: UnixFS | Uint8Array, links: HandLink[] = []): Uint8Array {
  const parts = links.map(link => {
    const pbLink: PBLink = { Hash: link.cid, Name: link.name ?? '' }
    if (link.tsize !== undefined) pbLink.Tsize = link.tsize
    return encode({ Links: [pbLink] })
  })
  const data = unixfs instanceof Uint8Array ? unixfs : unixfs.marshal()
  return Buffer.concat([...parts, encode({ Data: data, Links: [] })])
}

export function fileNode(parts: Array<{ cid: CID; size: number; tsize?: number }>, data?: Uint8Array): Uint8Array {
  const unixfs = new UnixFS({
    type: 'file',
    blockSizes: parts.map(part => BigInt(part.size)),
    ...(data === undefined ? {} : { data })
  })
  return handNode(
    unixfs,
    parts.map(part => ({ cid: part.cid, tsize: part.tsize ?? part.size }))
  )
}

export function folderNode(links: HandLink[]): Uint8Array {
  return handNode(new UnixFS({ type: 'directory' }), links)
}
