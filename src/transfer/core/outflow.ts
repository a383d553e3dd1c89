/**
 * Sends what was placed and asked for batch by batch: a whole piece to one peer before the next begins, as it can be
 * passed on only when it is whole. The next begins when so little of the last is on its way that the uplink would run
 * dry before news of its end could come.
 *
 * What is on its way is judged from the other end, not from what the stream took: the kernel takes a megabyte at once.
 * The receiver says when all but the last block has come (`arriving`) and when it has the piece. One that is slow to
 * say so must not hold up the others: what the uplink could have sent since counts as sent.
 */
import type { Batch } from './batch.ts'
import type { SessionId } from './swarm-io.ts'
import type { UplinkWindow } from './uplink-window.ts'

/** Who has waited so long goes first: a reader may wait for just that piece, and it is often no rare one. */
const MAX_WAIT_MS = 500

export class Outflow {
  readonly #window: UplinkWindow | undefined
  readonly #start: (batch: Batch) => void
  /** Offered or asked for. */
  readonly #waiting = new Set<Batch>()
  readonly #started = new Set<Batch>()

  /** @param window undefined: all at once @param start hand its requests to the uploader */
  constructor(window: UplinkWindow | undefined, start: (batch: Batch) => void) {
    this.#window = window
    this.#start = start
  }

  offered(batch: Batch): void {
    this.#waiting.add(batch)
  }

  over(batch: Batch): void {
    this.#waiting.delete(batch)
    this.#started.delete(batch)
  }

  /** The least rarity of those that wait. */
  leastWaiting(rarity: (batch: Batch) => number): number {
    let least = Number.POSITIVE_INFINITY
    for (const batch of this.#waiting) least = Math.min(least, rarity(batch))
    return least
  }

  /** @param isHeld whether all of it can be sent now @param rarity fewer is sooner */
  pump(isHeld: (batch: Batch) => boolean, rarity: (batch: Batch) => number, now: number): void {
    while (this.#waiting.size > 0 && this.#hasRoom(now)) {
      let next: Batch | undefined
      let least = Number.POSITIVE_INFINITY
      for (const batch of this.#waiting) {
        if (batch.askedAt === undefined || !isHeld(batch) || this.#isDoubted(batch.session)) continue
        const rare = now - batch.askedAt >= MAX_WAIT_MS ? batch.askedAt - now : rarity(batch)
        if (rare >= least) continue
        next = batch
        least = rare
      }
      if (next === undefined) return
      this.#waiting.delete(next)
      this.#started.add(next)
      next.startedAt = now
      next.movedAt = now
      this.#start(next)
    }
  }

  /** Of what was started for the session no news came when it should: no more is, or it would hold up all again. */
  #isDoubted(session: SessionId): boolean {
    for (const batch of this.#started) if (batch.isDoubted && batch.session === session) return true
    return false
  }

  #hasRoom(now: number): boolean {
    if (this.#window === undefined) return true
    let onItsWay = 0
    // nobody is held up by one of which it is doubtful that it comes to an end
    for (const batch of this.#started) if (!batch.isDoubted) onItsWay += this.#window.remaining(batch, now)
    return onItsWay <= this.#window.startBelow(now)
  }
}
