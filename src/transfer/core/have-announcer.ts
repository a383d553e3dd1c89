/** Gathers pieces that were verified, so that a have names many. */
import { MAX_HAVE_RUNS } from '../protocol/limits.ts'
import type { Message } from '../protocol/messages.ts'
import { toRuns } from './piece-set.ts'

/** So many are announced at once; fewer wait for the next tick. */
export const HAVE_BATCH = 64

export class HaveAnnouncer {
  #pieces = new Set<number>()

  /** Returns whether there are enough to announce. */
  add(piece: number): boolean {
    this.#pieces.add(piece)
    return this.#pieces.size >= HAVE_BATCH
  }

  /** Lost before it was announced: nobody needs to know. Returns whether that was so. */
  withdraw(piece: number): boolean {
    return this.#pieces.delete(piece)
  }

  take(): Message[] {
    if (this.#pieces.size === 0) return []
    const runs = toRuns([...this.#pieces].sort((a, b) => a - b))
    this.#pieces = new Set()
    const messages: Message[] = []
    for (let at = 0; at < runs.length; at += MAX_HAVE_RUNS) {
      messages.push({ type: 'have', runs: runs.slice(at, at + MAX_HAVE_RUNS) })
    }
    return messages
  }
}
