/** A fingerprint of a run: two runs are the same when their hashes are (FNV-1a on two lanes, not for secrets). */
export class RunHash {
  readonly #double = new Float64Array(1)
  readonly #words = new Uint32Array(this.#double.buffer)
  #a = 0x811c9dc5
  #b = 0x9747b28c

  /** Takes in the exact bits of the number. */
  add(value: number): void {
    this.#double[0] = value
    for (let at = 0; at < 2; at++) {
      const word = this.#words[at] ?? 0
      this.#a = Math.imul(this.#a ^ word, 0x01000193)
      this.#b = Math.imul(this.#b ^ (word + (this.#a >>> 7)), 0x85ebca6b)
    }
  }

  get hex(): string {
    return [this.#a, this.#b].map(lane => (lane >>> 0).toString(16).padStart(8, '0')).join('')
  }
}
