/**
 * What has arrived and is not yet verified, for one root. Each request fills a buffer of its own, so that no peer can
 * touch the bytes of another; a full one waits under its offset until its piece is whole. The first to complete an
 * offset wins, as the core blames by the same rule.
 */
import type { BufferPool } from './buffer-pool.ts'

interface Incoming {
  readonly offset: number
  readonly length: number
  readonly buffer: Uint8Array
  readonly from: string
  received: number
}

export interface Block {
  readonly offset: number
  readonly length: number
  /** At least `length` bytes; what lies past it is not part of the block. */
  readonly buffer: Uint8Array
  /** The peer ID that sent it. */
  readonly from: string
}

export class IncomingBlocks {
  readonly #pool: BufferPool
  /** session → request id → what has come of it */
  readonly #incoming = new Map<number, Map<number, Incoming>>()
  /** session → the last request of which it was said where its bytes belong: they may be written to there at any time */
  readonly #lent = new Map<number, Incoming>()
  /** offset in the piece space → complete block */
  readonly #blocks = new Map<number, Block>()

  constructor(pool: BufferPool) {
    this.#pool = pool
  }

  expect(session: number, from: string, id: number, offset: number, length: number): void {
    const requests = this.#incoming.get(session) ?? new Map<number, Incoming>()
    this.#incoming.set(session, requests)
    requests.set(id, { offset, length, buffer: this.#pool.take(length), from, received: 0 })
  }

  /** Drops the complete block at an offset, if there is one. */
  discard(offset: number): void {
    const block = this.#blocks.get(offset)
    if (block === undefined) return
    this.#blocks.delete(offset)
    this.#pool.give(block.buffer)
  }

  /** Where the next bytes of the request belong; `receive` then gets a view of it. Undefined: nobody asked for them. */
  roomFor(session: number, id: number): Uint8Array | undefined {
    const incoming = this.#incoming.get(session)?.get(id)
    if (incoming === undefined) return undefined
    this.#lent.set(session, incoming)
    return incoming.buffer.subarray(incoming.received, incoming.length)
  }

  /**
   * Copies a chunk into its place, unless it lies there. `done` when the request is whole (it is then no longer
   * expected), `unexpected` when nobody asked for it, `overrun` when it is more than was asked for.
   */
  receive(session: number, id: number, chunk: Uint8Array): 'more' | 'done' | 'unexpected' | 'overrun' {
    const requests = this.#incoming.get(session)
    const incoming = requests?.get(id)
    if (requests === undefined || incoming === undefined) return 'unexpected'
    if (incoming.received + chunk.byteLength > incoming.length) return 'overrun'
    if (!liesThere(chunk, incoming)) incoming.buffer.set(chunk, incoming.received)
    incoming.received += chunk.byteLength
    if (incoming.received < incoming.length) return 'more'
    requests.delete(id)
    if (this.#blocks.has(incoming.offset)) this.#pool.give(incoming.buffer)
    else this.#blocks.set(incoming.offset, incoming)
    return 'done'
  }

  /** Bytes that were still to come; 0 when it was not expected. */
  forget(session: number, id: number): number {
    const requests = this.#incoming.get(session)
    const incoming = requests?.get(id)
    if (requests === undefined || incoming === undefined) return 0
    requests.delete(id)
    this.#giveUp(session, incoming)
    return incoming.length - incoming.received
  }

  /** Bytes that were still to come. */
  forgetSession(session: number): number {
    let bytes = 0
    for (const incoming of this.#incoming.get(session)?.values() ?? []) {
      this.#giveUp(session, incoming)
      bytes += incoming.length - incoming.received
    }
    this.#incoming.delete(session)
    this.#lent.delete(session)
    return bytes
  }

  /** Takes the blocks that cover [start, end) out of the map, in order; undefined (and nothing taken) if one lacks. */
  takeRange(start: number, end: number): Block[] | undefined {
    const blocks: Block[] = []
    for (let at = start; at < end; ) {
      const block = this.#blocks.get(at)
      if (block === undefined || at + block.length > end) return undefined
      blocks.push(block)
      at += block.length
    }
    for (const block of blocks) this.#blocks.delete(block.offset)
    return blocks
  }

  release(blocks: readonly Block[]): void {
    for (const block of blocks) this.#pool.give(block.buffer)
  }

  clear(): void {
    for (const session of [...this.#incoming.keys()]) this.forgetSession(session)
    this.release([...this.#blocks.values()])
    this.#blocks.clear()
  }

  #giveUp(session: number, incoming: Incoming): void {
    if (this.#lent.get(session) !== incoming) this.#pool.give(incoming.buffer)
  }
}

function liesThere(chunk: Uint8Array, { buffer, received }: Incoming): boolean {
  return chunk.buffer === buffer.buffer && chunk.byteOffset === buffer.byteOffset + received
}
