/** Roots that are right by their hashes, and made to harm whoever fetches them; and who serves them. */
import { createHash } from 'node:crypto'
import { encode, type PBLink, prepare } from '@ipld/dag-pb'
import { UnixFS } from 'ipfs-unixfs'
import { base32 } from 'multiformats/bases/base32'
import type { CID } from 'multiformats/cid'
import { cidOf, DAG_PB, RAW } from '../../src/content/cid.ts'
import type { Host } from '../../src/node/host/create-host.ts'
import { MAX_NODES_PER_REQUEST } from '../../src/transfer/protocol/limits.ts'
import { AttackStream } from './attacker.ts'

const sha = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest()

/** A DAG node or a leaf, with what hangs below it. */
export interface Part {
  readonly cid: CID
  readonly block: Uint8Array
  readonly below: readonly Part[]
  /** As its parent says. */
  readonly fileBytes: number
}

export function leaf(bytes: Uint8Array): Part {
  return { cid: cidOf(RAW, sha(bytes)), block: bytes, below: [], fileBytes: bytes.byteLength }
}

/** @param blockSizes as it says itself; default: the truth */
export function file(below: readonly Part[], blockSizes = below.map(({ fileBytes }) => BigInt(fileBytes))): Part {
  return inner(
    new UnixFS({ type: 'file', blockSizes }),
    below,
    below.map(() => '')
  )
}

export function folder(entries: ReadonlyArray<readonly [name: string, part: Part]>): Part {
  return inner(
    new UnixFS({ type: 'directory' }),
    entries.map(([, part]) => part),
    entries.map(([name]) => name)
  )
}

export function symlink(target: string): Part {
  return inner(new UnixFS({ type: 'symlink', data: Buffer.from(target) }), [], [])
}

function inner(unixfs: UnixFS, below: readonly Part[], names: readonly string[]): Part {
  const links: PBLink[] = below.map(({ cid, fileBytes }, at) => ({
    Name: names[at] ?? '',
    Tsize: fileBytes,
    Hash: cid
  }))
  const block = encode(prepare({ Data: unixfs.marshal(), Links: links }))
  const fileBytes = below.reduce((sum, part) => sum + part.fileBytes, 0)
  return { cid: cidOf(DAG_PB, sha(block)), block, below, fileBytes }
}

/** The DAG nodes in the order of their numbers: that of their first appearance, as docs/protocol.md has it. */
export function nodesOf(root: Part): Uint8Array[] {
  const blocks: Uint8Array[] = []
  const seen = new Set<Part>()
  const waiting = [root]
  for (let part = waiting.pop(); part !== undefined; part = waiting.pop()) {
    if (seen.has(part) || part.cid.code !== DAG_PB) continue
    seen.add(part)
    blocks.push(part.block)
    waiting.push(...[...part.below].reverse())
  }
  return blocks
}

/** Answers every swarm stream with these nodes, and has every piece. @returns the streams */
export async function serveNodes(from: Host, root: CID, nodes: readonly Uint8Array[]): Promise<AttackStream[]> {
  const streams: AttackStream[] = []
  await from.dialer.onStream(peer => {
    const stream = new AttackStream(peer)
    streams.push(stream)
    stream.hello(root.toString(base32), { kind: 'all' })
    stream.onMessage = message => {
      if (message.type !== 'nodeRequest') return
      const end = Math.min(nodes.length, message.first + Math.min(message.count, MAX_NODES_PER_REQUEST))
      // one block a message, as several may be too large for one
      for (let at = message.first; at < end; at++) {
        stream.say({ type: 'nodes', first: at, total: nodes.length, blocks: nodes.slice(at, at + 1) })
      }
    }
  })
  return streams
}
