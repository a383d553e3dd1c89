/** A piece that failed and is to come from one peer alone: how often each let us down with it, so that all have a turn. */
import { RecentMap } from '../../base/recent-map.ts'

/** Peers that are remembered of one piece, those that failed last: names are free. */
export const MAX_REMEMBERED = 1000

export class SoloPiece {
  readonly #failures = new RecentMap<string, number>(MAX_REMEMBERED)
  readonly #tookOver = new RecentMap<string, true>(MAX_REMEMBERED)

  /** The peer gave a part of it when it was false, or was asked for it and did not give it. */
  failed(peerId: string): void {
    this.#failures.set(peerId, this.failuresOf(peerId) + 1)
  }

  failuresOf(peerId: string): number {
    return this.#failures.get(peerId) ?? 0
  }

  /** Whether the peer may be asked in place of a slow one: once, or one that never gives would interrupt others for ever. */
  takeOver(peerId: string): boolean {
    if (this.#tookOver.has(peerId)) return false
    this.#tookOver.set(peerId, true)
    return true
  }
}
