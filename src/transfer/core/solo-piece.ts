/** A piece that failed and is to come from one peer alone: how often each let us down with it, so that all have a turn. */

/** Peers that are remembered of one piece: names are free. */
export const MAX_REMEMBERED = 1000

export class SoloPiece {
  readonly #failures = new Map<string, number>()
  readonly #tookOver = new Set<string>()

  /** The peer gave a part of it when it was false, or was asked for it and did not give it. */
  failed(peerId: string): void {
    const failures = this.failuresOf(peerId) + 1
    // those that failed last are kept
    this.#failures.delete(peerId)
    this.#failures.set(peerId, failures)
    forgetOldest(this.#failures)
  }

  failuresOf(peerId: string): number {
    return this.#failures.get(peerId) ?? 0
  }

  /** Whether the peer may be asked in place of a slow one: once, or one that never gives would interrupt others for ever. */
  takeOver(peerId: string): boolean {
    if (this.#tookOver.has(peerId)) return false
    this.#tookOver.add(peerId)
    forgetOldest(this.#tookOver)
    return true
  }
}

function forgetOldest(peers: {
  readonly size: number
  keys(): Iterable<string>
  delete(peerId: string): boolean
}): void {
  for (const peerId of peers.keys()) {
    if (peers.size <= MAX_REMEMBERED) return
    peers.delete(peerId)
  }
}
