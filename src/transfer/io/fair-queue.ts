/**
 * Who is next, when many wait for the same thing: start-time fair queueing (Goyal, Vin, Cheng: SIGCOMM 1996). Each key
 * has a count of what it got, divided by its weight; the one with the least is next. One that was away comes back at the
 * level of those who were served meanwhile: it neither catches up nor starves. Pure.
 *
 * Invariant: a key is in `#waiting` or, where it got more than the level when it left, in `#away`; never in both.
 */
export class FairQueue<Key> {
  /** What each got; below `#level` it counts as the level. In the order of their last turns. */
  readonly #waiting = new Map<Key, number>()
  readonly #away = new Map<Key, number>()
  /** Where the last one stood when it was served. */
  #level = 0

  /** How many wait. */
  get size(): number {
    return this.#waiting.size
  }

  get keys(): IterableIterator<Key> {
    return this.#waiting.keys()
  }

  /** It waits from now on. */
  join(key: Key): void {
    if (this.#waiting.has(key)) return
    this.#waiting.set(key, this.#away.get(key) ?? 0)
    this.#away.delete(key)
  }

  /** It waits no longer. What it got is remembered for as long as that matters. */
  leave(key: Key): void {
    const got = this.#waiting.get(key)
    if (got === undefined) return
    this.#waiting.delete(key)
    if (got > this.#level) this.#away.set(key, got)
    if (this.#away.size <= this.#waiting.size + 8) return
    for (const [other, old] of this.#away) if (old <= this.#level) this.#away.delete(other)
  }

  /** It is over. */
  forget(key: Key): void {
    this.#waiting.delete(key)
    this.#away.delete(key)
  }

  /** The one to serve next, of those that may be; among equals the one whose last turn was longest ago. */
  next(mayServe: (key: Key) => boolean = () => true): Key | undefined {
    let best: Key | undefined
    let least = Number.POSITIVE_INFINITY
    for (const [key, got] of this.#waiting) {
      const at = Math.max(got, this.#level)
      if (at >= least || !mayServe(key)) continue
      best = key
      least = at
    }
    return best
  }

  /** It got so much. @param weight its share, compared with that of the others */
  served(key: Key, amount: number, weight = 1): void {
    const got = this.#waiting.get(key)
    if (got === undefined) return
    this.#level = Math.max(this.#level, got)
    this.#waiting.delete(key)
    this.#waiting.set(key, this.#level + amount / weight)
  }
}
