/** Bytes a second over the last few seconds. */

const SLOT_MS = 250
const SLOTS = 20
/** Shortest time that is divided by, so that a first burst is no record. */
const MIN_SPAN_MS = 500

/** Invariant: slot k mod SLOTS holds the bytes of [k, k + 1) × SLOT_MS for the last SLOTS values of k. */
export class RateMeter {
  readonly #slots = new Float64Array(SLOTS)
  #lastSlot = 0
  #sum = 0
  /** When the current stretch of activity began. */
  #since: number | undefined

  /** @param now milliseconds, never less than before */
  add(bytes: number, now: number): void {
    this.#advance(now)
    this.#since ??= now
    const at = this.#lastSlot % SLOTS
    this.#slots[at] = (this.#slots[at] ?? 0) + bytes
    this.#sum += bytes
  }

  rate(now: number): number {
    this.#advance(now)
    if (this.#since === undefined) return 0
    const covered = (SLOTS - 1) * SLOT_MS + (now - this.#lastSlot * SLOT_MS)
    const span = Math.min(covered, Math.max(MIN_SPAN_MS, now - this.#since))
    return (this.#sum * 1000) / span
  }

  #advance(now: number): void {
    const slot = Math.floor(now / SLOT_MS)
    if (slot - this.#lastSlot >= SLOTS) {
      this.#slots.fill(0)
      this.#sum = 0
      this.#since = undefined
      this.#lastSlot = slot
      return
    }
    while (this.#lastSlot < slot) {
      this.#lastSlot += 1
      const at = this.#lastSlot % SLOTS
      this.#sum -= this.#slots[at] ?? 0
      this.#slots[at] = 0
    }
  }
}
