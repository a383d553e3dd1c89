/**
 * Where a provider is by what several nodes answered. Anyone may name any peer with addresses that lead nowhere, first or
 * last: so what most of them name comes first, and among the rest the first of each answer before the second of any.
 */
import { oneOfEachKind } from './address-order.ts'

/** Given out, and dialled: as many as a swarm keeps of a peer. */
export const BEST_ADDRS = 8
/** Remembered. */
const MAX_ADDRS = 64

interface Told {
  readonly addr: string
  votes: number
  /** In the answer in which it came earliest. */
  place: number
}

export class ToldAddresses {
  #told: Told[] = []
  #given: ReadonlySet<string> = new Set()

  /**
   * One answer named these.
   * @returns the best there are, when they are others than at the last call; undefined when nothing is to be told
   */
  add(addrs: readonly string[]): string[] | undefined {
    const ordered = addrs.length > BEST_ADDRS ? oneOfEachKind(addrs) : addrs
    for (const [place, addr] of ordered.entries()) {
      const known = this.#told.find(one => one.addr === addr)
      if (known === undefined) this.#told.push({ addr, votes: 1, place })
      else {
        known.votes += 1
        known.place = Math.min(known.place, place)
      }
    }
    this.#told.sort((a, b) => b.votes - a.votes || a.place - b.place)
    this.#told = this.#told.slice(0, MAX_ADDRS)
    const best = this.#told.slice(0, BEST_ADDRS).map(({ addr }) => addr)
    if (best.every(addr => this.#given.has(addr))) return undefined
    this.#given = new Set(best)
    return best
  }
}
