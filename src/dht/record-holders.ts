/**
 * Which nodes took our records, and whether enough of them are left. Records live 48 h and are renewed in 22, which is
 * for networks whose nodes stay; where a fifth of them goes each minute, all twenty holders are gone in half an hour.
 * And what was announced when the network had twelve nodes lies with those, while lookups in one of sixty ask others.
 */
import type { PeerId } from '@libp2p/interface'
import { RecentMap } from '../base/recent-map.ts'

/** Peer IDs kept once for all records that name them; then begun anew. */
const MAX_SHARED_IDS = 2_048
/** Peers remembered that went; of more those that went longest ago count as having stayed. */
const MAX_LEFT = 4_096

export interface RecordHoldersInit {
  /** Whether a connected peer is there and answers, as far as is known. */
  answers: (peer: PeerId) => boolean
  /** DHT servers in the routing table. */
  tableSize: () => number
}

interface Held {
  readonly peers: readonly PeerId[]
  /** Nodes that were known then: those of the table, or the holders, where a young table lacked some. */
  readonly known: number
  /** Of `#announced`. */
  readonly number: number
}

export class RecordHolders {
  readonly #init: RecordHoldersInit
  readonly #holders = new Map<string, Held>()
  readonly #shared = new Map<string, PeerId>()
  /** How many announcements have begun. */
  #announced = 0
  /** Peer ID → `#announced` when its last connection ended. */
  readonly #left = new RecentMap<string, number>(MAX_LEFT)

  constructor(init: RecordHoldersInit) {
    this.#init = init
  }

  /** An announcement begins, whose holders are set once it has ended. @returns its number */
  begin(): number {
    return ++this.#announced
  }

  /** In place of those of the announcement before. Whoever went since `number` began may have taken the record before. */
  set(cid: string, holders: readonly PeerId[], number = this.begin()): void {
    if (this.#shared.size > MAX_SHARED_IDS) this.#shared.clear()
    const peers = holders.map(peer => {
      const id = peer.toString()
      const shared = this.#shared.get(id) ?? peer
      this.#shared.set(id, shared)
      return shared
    })
    const known = Math.max(1, peers.length, this.#init.tableSize())
    this.#holders.set(cid, { peers, known, number })
  }

  /**
   * Its last connection ended, or it made a new one. Records are kept in memory: a node that was started anew is back
   * within seconds, and holds none.
   */
  left(peer: PeerId): void {
    this.#left.set(peer.toString(), this.#announced)
  }

  forget(cid: string): void {
    this.#holders.delete(cid)
  }

  /**
   * Half of those that took the record are gone. Whoever took it was connected then, and connections are not closed for
   * being idle: so one that is not, or was not meanwhile, has gone, or so have we. False for a record that this process
   * has not announced.
   */
  isThin(cid: string): boolean {
    const held = this.#holders.get(cid)
    if (held === undefined) return false
    const { peers, number } = held
    const hasStayed = (peer: PeerId) => (this.#left.get(peer.toString()) ?? 0) < number
    const there = peers.filter(peer => hasStayed(peer) && this.#init.answers(peer))
    return there.length * 2 <= peers.length
  }

  /** Twice as many nodes are known as when it was announced: of those nearest to it, most may be new. */
  isOutgrown(cid: string): boolean {
    const held = this.#holders.get(cid)
    return held !== undefined && this.#init.tableSize() >= held.known * 2
  }
}
