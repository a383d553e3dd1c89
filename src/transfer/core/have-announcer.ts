/** Gathers pieces that were verified, so that a have names many. */
import { MAX_HAVE_RUNS } from '../protocol/limits.ts'
import type { Message } from '../protocol/messages.ts'
import { BLOCK_BYTES } from './config.ts'
import { toRuns } from './piece-set.ts'

/** So many bytes of pieces are announced at once; fewer wait for the next tick. */
export const HAVE_BATCH_BYTES = BLOCK_BYTES

export class HaveAnnouncer {
  #pieces = new Set<number>()
  #bytes = 0

  /** Whether there are enough to announce. */
  get isDue(): boolean {
    return this.#bytes >= HAVE_BATCH_BYTES
  }

  add(piece: number, bytes: number): void {
    this.#pieces.add(piece)
    this.#bytes += bytes
  }

  /** Lost before it was announced: nobody needs to know. Returns whether that was so. */
  withdraw(piece: number): boolean {
    return this.#pieces.delete(piece)
  }

  /** What is to be told, all of it at once. */
  take(): Array<Extract<Message, { type: 'have' }>> {
    if (this.#pieces.size === 0) return []
    const runs = toRuns([...this.#pieces].sort((a, b) => a - b))
    this.#pieces = new Set()
    this.#bytes = 0
    const messages: Array<Extract<Message, { type: 'have' }>> = []
    for (let at = 0; at < runs.length; at += MAX_HAVE_RUNS) {
      messages.push({ type: 'have', runs: runs.slice(at, at + MAX_HAVE_RUNS), coming: [] })
    }
    return messages
  }
}
