/** How long a peer that takes no offers is left alone. */

/** One that says that it can take no more now. */
const BUSY_MS = 250

export class TakingPause {
  /** They take no offer before then. */
  until = 0
  /** A pause that they asked for is over once so little of ours is on its way to them. */
  #enoughBytes = 0

  /**
   * They can take no more now. What they can take shows by what they take: when half of ours arrived before the time is
   * up there is room again. To wait for the time alone cost a fast link that had just begun most of a second.
   *
   * @param placedBytes of ours, on their way to them
   */
  declined(placedBytes: number, now: number): void {
    this.until = now + BUSY_MS
    this.#enoughBytes = placedBytes / 2
  }

  /** They let something lapse. */
  lapsed(ms: number, now: number): void {
    this.until = now + ms
    this.#enoughBytes = 0
  }

  /** Something of ours arrived. @param placedBytes what is still on its way */
  took(placedBytes: number, now: number): void {
    if (placedBytes < this.#enoughBytes) this.until = Math.min(this.until, now)
  }
}
