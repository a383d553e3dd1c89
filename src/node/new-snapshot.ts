/** A fetch of which nothing is known yet. */
import type { TransferSnapshot } from './api.ts'

export function newSnapshot(known: { cid: string; name: string; path: string }): TransferSnapshot {
  return {
    ...known,
    state: 'finding',
    problem: null,
    have: 0,
    size: 0,
    pieces: 0,
    piecesHave: 0,
    peers: 0,
    peersKnown: 0,
    rate: 0,
    upRate: 0,
    etaMs: null
  }
}
