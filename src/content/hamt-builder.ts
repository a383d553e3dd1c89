/**
 * HAMT-sharded folders as Kubo makes them: width 256, murmur3-x64-64 of the name, one byte of it a level, first byte
 * first. Link names begin with the slot as two hexadecimal digits; a name of these alone leads to a sub-shard.
 * Source: specs.ipfs.tech/unixfs (HAMT structure), boxo ipld/unixfs/hamt.
 */
import type { PBLink } from '@ipld/dag-pb'
import { murmur364 } from '@multiformats/murmur3'
import { UnixFS } from 'ipfs-unixfs'
import type { DagLink, NodeSink } from './dag-link.ts'
import type { NamedLink } from './directory-builder.ts'
import { emitNode, encodeNode } from './encode-node.ts'

const FANOUT = 256
const PREFIX_LENGTH = 2
const HASH_BYTES = 8
/** Multicodec murmur3-x64-64. */
const HASH_TYPE = 0x22n

interface HashedLink {
  readonly link: NamedLink
  readonly name: Uint8Array
  /** Grows by 8 bytes where two names agree in all that is there. */
  hash: Uint8Array
}

type Slot = HashedLink | Shard
/** By slot number; undefined where it is free. */
type Shard = Array<Slot | undefined>

/** @param entries at least one, with distinct names, in any order */
export async function buildHamt(entries: readonly NamedLink[], sink: NodeSink): Promise<DagLink> {
  const root: Shard = []
  for (const link of entries) {
    const name = new TextEncoder().encode(link.name)
    await insert(root, { link, name, hash: await murmur364.encode(name) }, 0)
  }
  return emitShard(root, sink)
}

async function insert(shard: Shard, entry: HashedLink, depth: number): Promise<void> {
  const slot = await slotOf(entry, depth)
  const there = shard[slot]
  if (there === undefined) shard[slot] = entry
  else if (Array.isArray(there)) await insert(there, entry, depth + 1)
  else {
    const sub: Shard = []
    shard[slot] = sub
    await insert(sub, there, depth + 1)
    await insert(sub, entry, depth + 1)
  }
}

/** Past 64 bits the name is hashed again with a counter behind it, as js-ipfs-unixfs does. */
async function slotOf(entry: HashedLink, depth: number): Promise<number> {
  while (depth >= entry.hash.byteLength) {
    const more = await murmur364.encode(Buffer.concat([entry.name, Uint8Array.of(entry.hash.byteLength / HASH_BYTES)]))
    entry.hash = Buffer.concat([entry.hash, more])
  }
  return entry.hash[depth] ?? 0
}

function emitShard(shard: Shard, sink: NodeSink): DagLink {
  const links: PBLink[] = []
  for (let slot = 0; slot < FANOUT; slot++) {
    const there = shard[slot]
    if (there === undefined) continue
    const prefix = slot.toString(16).toUpperCase().padStart(PREFIX_LENGTH, '0')
    if (Array.isArray(there)) {
      const sub = emitShard(there, sink)
      links.push({ Hash: sub.cid, Name: prefix, Tsize: sub.tsize })
    } else {
      links.push({ Hash: there.link.cid, Name: prefix + there.link.name, Tsize: there.link.tsize })
    }
  }
  const unixfs = new UnixFS({
    type: 'hamt-sharded-directory',
    data: bitmap(shard),
    fanout: BigInt(FANOUT),
    hashType: HASH_TYPE
  })
  return emitNode(encodeNode(unixfs, links), links, sink)
}

/** Which slots are taken, as a big-endian number without leading zero bytes. */
function bitmap(shard: Shard): Uint8Array {
  const bytes = new Uint8Array(FANOUT / 8)
  for (let slot = 0; slot < FANOUT; slot++) {
    const at = bytes.length - 1 - (slot >> 3)
    if (shard[slot] !== undefined) bytes[at] = (bytes[at] ?? 0) | (1 << (slot & 7))
  }
  return bytes.subarray(bytes.findIndex(byte => byte !== 0))
}
