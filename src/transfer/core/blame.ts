/**
 * Who is at fault for a piece that does not match its hash.
 *
 * Given whole by one peer: that is proof, the peer is banned. Given by several: any of them may have lied, so all its
 * blocks are discarded, each giver gets a strike for it, and the picker fetches it again from one peer alone, the
 * suspects last; if that fails too, there is proof. A peer with strikes for several distinct pieces is disconnected,
 * without a ban: it may have been in bad company.
 */
export const MAX_STRIKES = 3
/** Peers whose strikes are remembered. */
const MAX_SUSPECTS = 1000

export interface Verdict {
  readonly ban: readonly string[]
  readonly disconnect: readonly string[]
}

export class Blame {
  readonly #strikes = new Map<string, Set<number>>()

  /** @param givers peer IDs that gave its blocks */
  failed(piece: number, givers: readonly string[]): Verdict {
    const [only] = givers
    if (only === undefined) return { ban: [], disconnect: [] }
    if (givers.length === 1) {
      this.#strikes.delete(only)
      return { ban: [only], disconnect: [] }
    }
    const disconnect: string[] = []
    for (const peerId of givers) {
      const strikes = this.#strikes.get(peerId) ?? new Set<number>()
      this.#strikes.delete(peerId)
      this.#strikes.set(peerId, strikes)
      strikes.add(piece)
      if (strikes.size < MAX_STRIKES) continue
      disconnect.push(peerId)
      this.#strikes.delete(peerId)
    }
    for (const peerId of this.#strikes.keys()) {
      if (this.#strikes.size <= MAX_SUSPECTS) break
      this.#strikes.delete(peerId)
    }
    return { ban: [], disconnect }
  }
}
