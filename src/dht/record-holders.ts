/**
 * Which nodes took our records, and whether enough of them are left. Records live 48 h and are renewed in 22, which is
 * for networks whose nodes stay; where a fifth of them goes each minute, all twenty holders are gone in half an hour.
 * And what was announced when the network had three nodes lies with three, while lookups in one of sixty ask others.
 */
import type { PeerId } from '@libp2p/interface'
import { K } from './kad.ts'

/** Peer IDs kept once for all records that name them; then begun anew. */
const MAX_SHARED_IDS = 2_048

export interface RecordHoldersInit {
  /** Whether a connected peer is there and answers, as far as is known. */
  answers: (peer: PeerId) => boolean
  /** DHT servers in the routing table. */
  tableSize: () => number
}

export class RecordHolders {
  readonly #init: RecordHoldersInit
  readonly #holders = new Map<string, readonly PeerId[]>()
  readonly #shared = new Map<string, PeerId>()

  constructor(init: RecordHoldersInit) {
    this.#init = init
  }

  /** In place of those of the announcement before. */
  set(cid: string, holders: readonly PeerId[]): void {
    if (this.#shared.size > MAX_SHARED_IDS) this.#shared.clear()
    this.#holders.set(
      cid,
      holders.map(peer => {
        const id = peer.toString()
        const shared = this.#shared.get(id) ?? peer
        this.#shared.set(id, shared)
        return shared
      })
    )
  }

  forget(cid: string): void {
    this.#holders.delete(cid)
  }

  /**
   * Half of those that took the record are gone, or they are few in a network that has grown to twice as many. Whoever
   * took it was connected then, and connections are not closed for being idle: so one that is not has gone, or so have
   * we. False for a record that this process has not announced.
   */
  isThin(cid: string): boolean {
    const holders = this.#holders.get(cid)
    if (holders === undefined) return false
    const left = holders.reduce((count, peer) => count + (this.#init.answers(peer) ? 1 : 0), 0)
    return left * 2 <= holders.length || (holders.length < K && this.#init.tableSize() >= holders.length * 2)
  }
}
