/**
 * Data on its way in, for one peer: what src/transfer/io/incoming-blocks.ts keeps, without the bytes, and an account of
 * every byte that arrived.
 *
 * Invariant: received = kept + duplicate + falseBytes + broken + pending.
 */
import type { ConnectionEnd, Data } from './network.ts'

interface Arriving {
  readonly session: number
  readonly from: string
  readonly offset: number
  readonly length: number
  got: number
  isFalse: boolean
}

interface Block {
  readonly from: string
  readonly length: number
  readonly isFalse: boolean
}

export class Incoming {
  receivedBytes = 0
  /** Of pieces that matched. */
  keptBytes = 0
  /** Of requests that were cancelled because the bytes came from elsewhere, or that were given up. */
  duplicateBytes = 0
  /** Of pieces that did not match. */
  falseBytes = 0
  /** Parts of requests that ended with their connection. */
  brokenBytes = 0
  readonly #arriving = new Map<string, Arriving>()
  /** By offset. */
  readonly #blocks = new Map<number, Block>()

  get pendingBytes(): number {
    let bytes = 0
    for (const { got } of this.#arriving.values()) bytes += got
    for (const { length } of this.#blocks.values()) bytes += length
    return bytes
  }

  expect({ session, peerId }: ConnectionEnd, id: number, offset: number, length: number): void {
    const before = this.#blocks.get(offset)
    if (before !== undefined) {
      this.#blocks.delete(offset)
      this.falseBytes += before.length
    }
    this.#arriving.set(`${session}:${id}`, { session, from: peerId, offset, length, got: 0, isFalse: false })
  }

  /** Cancelled. */
  forget(session: number, id: number): void {
    const key = `${session}:${id}`
    this.duplicateBytes += this.#arriving.get(key)?.got ?? 0
    this.#arriving.delete(key)
  }

  forgetSession(session: number): void {
    for (const [key, arriving] of this.#arriving) {
      if (arriving.session !== session) continue
      this.brokenBytes += arriving.got
      this.#arriving.delete(key)
    }
  }

  /** Where it is expected. */
  requestOf(session: number, id: number): { session: number; id: number; offset: number; length: number } | undefined {
    const arriving = this.#arriving.get(`${session}:${id}`)
    return arriving === undefined ? undefined : { session, id, offset: arriving.offset, length: arriving.length }
  }

  /** Returns whether the request is whole now. */
  receive(session: number, data: Data): boolean {
    this.receivedBytes += data.bytes
    const key = `${session}:${data.id}`
    const arriving = this.#arriving.get(key)
    if (arriving === undefined) {
      this.duplicateBytes += data.bytes
      return false
    }
    arriving.got += data.bytes
    arriving.isFalse ||= data.isFalse
    if (arriving.got > arriving.length) throw new Error('more data than was asked for')
    if (arriving.got < arriving.length) return false
    this.#arriving.delete(key)
    if (this.#blocks.has(arriving.offset)) this.duplicateBytes += arriving.length
    else this.#blocks.set(arriving.offset, { from: arriving.from, length: arriving.length, isFalse: arriving.isFalse })
    return true
  }

  /** All blocks of [offset, end) are there. Takes them out. */
  take(offset: number, end: number): { matches: boolean; givers: ReadonlySet<string> } {
    let matches = true
    const givers = new Set<string>()
    for (let at = offset; at < end; ) {
      const block = this.#blocks.get(at)
      if (block === undefined || at + block.length > end) throw new Error(`the blocks from ${offset} do not tile`)
      this.#blocks.delete(at)
      matches &&= !block.isFalse
      givers.add(block.from)
      at += block.length
    }
    if (matches) this.keptBytes += end - offset
    else this.falseBytes += end - offset
    return { matches, givers }
  }
}
