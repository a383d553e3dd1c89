/**
 * Streams to one peer that it has not answered yet: so many at a time, whatever the number of roots that are fetched from
 * it at once. It refuses more (arrivals.ts), and each refusal would count as a failed dial.
 */
import { MAX_UNGREETED_PER_PEER } from './arrivals.ts'

/** It may have others open, of dials that ended before it knew. */
export const MAX_UNANSWERED_PER_PEER = MAX_UNGREETED_PER_PEER / 4

interface Slots {
  taken: number
  readonly waiting: Array<() => void>
}

export class DialSlots {
  readonly #peers = new Map<string, Slots>()

  /**
   * Resolves when there is room for one more, in the order in which they came, or when the signal fires. Call what it
   * returns once, in any case.
   */
  async take(peerId: string, signal: AbortSignal): Promise<() => void> {
    const slots = this.#peers.get(peerId) ?? { taken: 0, waiting: [] }
    this.#peers.set(peerId, slots)
    const leave = () => this.#leave(peerId, slots)
    if (slots.taken < MAX_UNANSWERED_PER_PEER) {
      slots.taken += 1
      return leave
    }
    if (signal.aborted) return () => {}
    return await new Promise(resolve => {
      const enter = () => {
        signal.removeEventListener('abort', giveUp)
        resolve(leave)
      }
      const giveUp = () => {
        slots.waiting.splice(slots.waiting.indexOf(enter), 1)
        resolve(() => {})
      }
      slots.waiting.push(enter)
      signal.addEventListener('abort', giveUp, { once: true })
    })
  }

  #leave(peerId: string, slots: Slots): void {
    const next = slots.waiting.shift()
    if (next !== undefined) next()
    else {
      slots.taken -= 1
      if (slots.taken === 0) this.#peers.delete(peerId)
    }
  }
}
