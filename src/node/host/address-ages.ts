/**
 * Which addresses of peers that are not connected are too old: nobody has told of them for as long as a record lives. The
 * stock peer store goes by when it heard of an address first, so that it forgets one that is told again and again, and by
 * the wall clock, so that one that leaps ahead has it forget everybody.
 */
import type { Address } from '@libp2p/interface'
import { RecentMap } from '../../base/recent-map.ts'

/** Peers whose addresses have an age, up to 6 KB each; those of others count as told when they are looked at next. */
const MAX_PEERS = 2_048

/** Invariant: a peer in `#told` was not connected when it was looked at last. */
export class AddressAges {
  readonly #maxAgeMs: number
  readonly #nowMs: () => number
  /** Peer ID → address → when it was told last. */
  readonly #told = new RecentMap<string, ReadonlyMap<string, number>>(MAX_PEERS)

  /** @param nowMs on a monotonic clock */
  constructor(maxAgeMs: number, nowMs: () => number) {
    this.#maxAgeMs = maxAgeMs
    this.#nowMs = nowMs
  }

  /** It is connected: where it is needs no telling. */
  forget(id: string): void {
    this.#told.delete(id)
  }

  /**
   * @param addresses all that are known of the peer
   * @param told those of them that somebody told of now
   * @returns those that are not too old
   */
  fresh<T extends Address>(id: string, addresses: T[], told?: ReadonlySet<string>): T[] {
    const now = this.#nowMs()
    const before = this.#told.get(id)
    const texts = addresses.map(({ multiaddr }) => multiaddr.toString())
    const isNew = told !== undefined || !texts.every(addr => before?.has(addr) === true)
    const times = isNew
      ? new Map(texts.map(addr => [addr, told?.has(addr) === true ? now : (before?.get(addr) ?? now)]))
      : before
    if (isNew && times !== undefined) this.#told.set(id, times)
    return addresses.filter((_, at) => now - (times?.get(texts[at] ?? '') ?? now) < this.#maxAgeMs)
  }
}
