/** Answers a nodeRequest: the blocks in order, a few small ones a message, at the pace of the stream and the limit. */
import type { Logger } from '../../base/log.ts'
import { KIB } from '../../base/units.ts'
import type { PeerSession } from './peer-session.ts'
import type { RootLimiter } from './root-limiter.ts'
import type { PieceStorage } from './seams.ts'

/** DAG nodes of one message together, unless a single one is larger. */
const NODES_MESSAGE_BYTES = 64 * KIB

export interface NodesAnswer {
  readonly session: PeerSession
  readonly storage: PieceStorage
  readonly first: number
  readonly count: number
  readonly limiter: RootLimiter
  readonly log: Logger
}

export async function sendNodes({ session, storage, first, count, limiter, log }: NodesAnswer): Promise<void> {
  const total = storage.nodeCount
  const end = Math.min(first + count, total)
  let at = first
  try {
    while (at < end && !session.isClosed) {
      const blocks = await readSome(storage, at, end)
      const bytes = blocks.reduce((sum, block) => sum + block.byteLength, 0)
      await session.whenWritable()
      await new Promise<void>(resolve => {
        if (limiter.take(session.id, bytes, () => resolve())) resolve()
      })
      session.sendMessage({ type: 'nodes', first: at, total, blocks })
      at += blocks.length
    }
  } catch (err) {
    log.warn(`cannot read DAG node ${at}: ${err instanceof Error ? err.message : String(err)}`)
    session.sendMessage({ type: 'nodes', first: at, total, blocks: [] })
  }
}

async function readSome(storage: PieceStorage, from: number, end: number): Promise<Uint8Array[]> {
  const blocks: Uint8Array[] = []
  let bytes = 0
  for (let at = from; at < end && bytes < NODES_MESSAGE_BYTES; at++) {
    const block = await storage.readNode(at)
    blocks.push(block)
    bytes += block.byteLength
  }
  return blocks
}
