/** Peers that are counted for one reason: a swarm that seeds for months hears many goodbyes. */
const MAX_FAILED = 1000

/** What is known of how a fetch went, for its result and for the words in which its failure is told. */
export class FetchFacts {
  /** Peer IDs that gave at least one verified byte. */
  readonly givers = new Set<string>()
  /** Verified bytes that came over the network, since the swarm was opened. */
  fetchedBytes = 0
  /** Pieces whose hash was wrong. */
  falsePieces = 0
  /** How dials and sessions ended without success: reason → peer IDs, so many at most. */
  readonly failures = new Map<string, Set<string>>()
  /** Peers that were banned. */
  readonly bannedPeers = new Set<string>()

  failed(peerId: string, reason: string): void {
    const peers = this.failures.get(reason) ?? new Set<string>()
    this.failures.set(reason, peers)
    if (peers.size < MAX_FAILED) peers.add(peerId)
  }

  /** A new fetch begins: what was noted of earlier ones says nothing of it. */
  forget(): void {
    this.givers.clear()
    this.failures.clear()
    this.bannedPeers.clear()
    this.falsePieces = 0
  }
}
