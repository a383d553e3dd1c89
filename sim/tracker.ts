/** Who has the content, as a lookup of providers says: some of those who announced themselves, at random. */
import type { Random } from '../src/base/random.ts'

export const MAX_FOUND = 50

export class Tracker {
  readonly #random: Random
  readonly #ids: string[] = []

  constructor(random: Random) {
    this.#random = random
  }

  add(id: string): void {
    this.#ids.push(id)
  }

  remove(id: string): void {
    const at = this.#ids.indexOf(id)
    if (at >= 0) this.#ids.splice(at, 1)
  }

  /** Up to 50 others. */
  ask(asker: string): string[] {
    const others = this.#ids.filter(id => id !== asker)
    const found: string[] = []
    for (let at = 0; at < others.length && at < MAX_FOUND; at++) {
      const from = at + this.#random.below(others.length - at)
      const chosen = others[from] ?? ''
      others[from] = others[at] ?? ''
      found.push(chosen)
    }
    return found
  }
}
