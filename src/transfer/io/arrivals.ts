/** Which incoming streams are taken at all: so many without a hello, of one peer and of all, and so many from one peer. */
import { TokenBuckets } from '../../base/token-buckets.ts'
import type { PeerSession } from './peer-session.ts'

/** Incoming streams that have not said hello yet, of all peers and of one. */
export const MAX_UNGREETED = 256
export const MAX_UNGREETED_PER_PEER = 64
/** Streams that one peer may open at once, one for each root that it shares with us, and later in a second. */
export const ARRIVALS_BURST = 2048
export const ARRIVALS_PER_SEC = 8

export class Arrivals {
  readonly #ungreeted = new Set<PeerSession>()
  readonly #buckets = new TokenBuckets(ARRIVALS_PER_SEC, ARRIVALS_BURST)

  get ungreeted(): PeerSession[] {
    return [...this.#ungreeted]
  }

  /** Undefined: the stream is taken; else why not. */
  refusal(peerId: string, now: number): string | undefined {
    if (this.#ungreeted.size >= MAX_UNGREETED) return 'too many streams without a hello'
    let ofPeer = 0
    for (const session of this.#ungreeted) if (session.peerId === peerId) ofPeer += 1
    if (ofPeer >= MAX_UNGREETED_PER_PEER) return 'too many streams of this peer without a hello'
    return this.#buckets.of(peerId, now).take(now, 1) ? undefined : 'this peer opens streams too often'
  }

  came(session: PeerSession): void {
    this.#ungreeted.add(session)
  }

  /** It said hello, or is over. */
  done(session: PeerSession): void {
    this.#ungreeted.delete(session)
  }
}
