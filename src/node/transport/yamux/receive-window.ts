import { INITIAL_WINDOW_BYTES } from './frame.ts'

/** The window doubles when half of it was read within so many round trips … */
const GROW_WITHIN_ROUND_TRIPS = 4
/** … or so soon: on a fast link a round trip is shorter than the other side's next turn of the event loop. */
const GROW_WITHIN_MS = 10

/**
 * How much the other side may send on one stream. What it sent counts as read once somebody took it, so what waits
 * unread never exceeds the window, and a stream that is not read stops its sender and nobody else.
 *
 * An update is told for half a window at a time (the specification leaves the moment to the receiver): one for each
 * frame would be a small encrypted write for every frame.
 *
 * Invariant: granted + unread + untold = window.
 */
export class ReceiveWindow {
  readonly #maxBytes: number
  #windowBytes = INITIAL_WINDOW_BYTES
  /** What the other side may still send. */
  #grantedBytes = INITIAL_WINDOW_BYTES
  /** Read, and the other side does not know it. */
  #untoldBytes = 0
  #lastUpdateAt: number

  constructor(maxBytes: number, now: number) {
    this.#maxBytes = Math.max(maxBytes, INITIAL_WINDOW_BYTES)
    this.#lastUpdateAt = now
  }

  get windowBytes(): number {
    return this.#windowBytes
  }

  /** False: the other side sent more than it may. */
  arrived(bytes: number): boolean {
    this.#grantedBytes -= bytes
    return this.#grantedBytes >= 0
  }

  /**
   * @param roundTripMs undefined while it was not measured
   * @returns what to tell the other side now, 0 for nothing
   */
  read(bytes: number, now: number, roundTripMs: number | undefined): number {
    this.#untoldBytes += bytes
    if (this.#untoldBytes < this.#windowBytes / 2) return 0
    const tookMs = now - this.#lastUpdateAt
    this.#lastUpdateAt = now
    if (tookMs <= Math.max(GROW_WITHIN_MS, GROW_WITHIN_ROUND_TRIPS * (roundTripMs ?? 0))) {
      const grown = Math.min(this.#windowBytes * 2, this.#maxBytes)
      this.#untoldBytes += grown - this.#windowBytes
      this.#windowBytes = grown
    }
    const told = this.#untoldBytes
    this.#grantedBytes += told
    this.#untoldBytes = 0
    return told
  }
}
