/** A map of so many entries at most: the one that was set longest ago is forgotten. It is iterated in that order. */
export class RecentMap<K, V> extends Map<K, V> {
  readonly #max: number

  /** @param max entries, 1 or more */
  constructor(max: number) {
    super()
    this.#max = max
  }

  /** An entry that is set again counts as new. */
  override set(key: K, value: V): this {
    this.delete(key)
    super.set(key, value)
    for (const oldest of this.keys()) {
      if (this.size <= this.#max) break
      this.delete(oldest)
    }
    return this
  }
}
