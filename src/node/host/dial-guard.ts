/**
 * Which addresses that strangers told of are dialled again. A record or a peer can name a victim's address under any
 * number of peer IDs; whoever is dialled in vain must not be dialled by us again and again. What worked once is free.
 *
 * An address that failed waits; the wait doubles. Of one host so many addresses may fail within the memory, then others of
 * it that never worked wait too: a swarm may live behind one address, so that is a large number. All that is for names
 * that are tried there: whoever was found at an address is dialled there, whatever names were tried in vain, and waits for
 * failures of its own alone.
 */

import { RecentMap } from '../../base/recent-map.ts'
import { hostOf } from '../../base/remote-host.ts'
import { MINUTE_MS, SECOND_MS } from '../../base/units.ts'

/** Dials of one address that may fail before it waits, whoever is said to be there; those under way count. */
export const FREE_FAILURES = 3
const WAIT_MS = 10 * SECOND_MS
export const MAX_WAIT_MS = 10 * MINUTE_MS
/** Addresses of one host that may fail within the memory. */
export const MAX_FAILED_OF_HOST = 64
/** An address that was not dialled for so long is forgotten. */
export const DIAL_MEMORY_MS = 10 * MINUTE_MS
/** Addresses that are remembered; of more those that failed, or worked, longest ago are forgotten. */
const MAX_REMEMBERED = 4096

interface Failed {
  times: number
  at: number
}

export class DialGuard {
  /** Who failed longest ago comes first; only those within the memory. */
  readonly #failed = new Map<string, Failed>()
  /** Host → how many of its addresses are in `#failed`. */
  readonly #failedOfHost = new Map<string, number>()
  /** Address → the peers that are looked for there now, and how often each. */
  readonly #underWay = new Map<string, Map<string, number>>()
  /** Address → the peer that was found there, be it that another was looked for, and how often it was not, since then. */
  readonly #found = new RecentMap<string, Failed & { readonly peerId: string }>(MAX_REMEMBERED)

  /** Given by the user, who may try as often as it takes. */
  readonly #trusted = new Set<string>()

  /** The user gave it. */
  trust(addr: string): void {
    this.#trusted.add(addr)
  }

  /**
   * Whether a stranger's word is enough to dial it.
   * @param addr multiaddr without `/p2p` @param peerId who is said to be there
   * @param maxOfHost addresses of its host that may have failed
   */
  allows(addr: string, peerId: string, now: number, maxOfHost = MAX_FAILED_OF_HOST): boolean {
    if (this.#trusted.has(addr)) return true
    const found = this.#found.get(addr)
    if (found?.peerId === peerId) return mayTryAgain(found, now)
    const failed = this.#recent(addr, now)
    const underWay = this.#underWay.get(addr)
    const others = (underWay?.size ?? 0) - (underWay?.has(peerId) === true ? 1 : 0)
    if (others > 0 && others + (failed?.times ?? 0) >= FREE_FAILURES) return false
    if (failed !== undefined) return mayTryAgain(failed, now)
    return this.#failedOf(hostOf(addr), now) < maxOfHost
  }

  /** A dial begins; `ended` must follow. */
  began(addr: string, peerId: string): void {
    const underWay = this.#underWay.get(addr) ?? new Map<string, number>()
    this.#underWay.set(addr, underWay)
    underWay.set(peerId, (underWay.get(peerId) ?? 0) + 1)
  }

  ended(addr: string, peerId: string): void {
    const underWay = this.#underWay.get(addr)
    const left = (underWay?.get(peerId) ?? 1) - 1
    if (left > 0) underWay?.set(peerId, left)
    else underWay?.delete(peerId)
    if (underWay?.size === 0) this.#underWay.delete(addr)
  }

  /** @param peerId who was looked for there; default: whoever was found there before */
  failed(addr: string, now: number, peerId = this.#found.get(addr)?.peerId): void {
    const times = (this.#recent(addr, now)?.times ?? 0) + 1
    const found = this.#found.get(addr)
    if (found !== undefined && found.peerId === peerId)
      this.#found.set(addr, { ...found, times: found.times + 1, at: now })
    this.#forget(addr)
    this.#failed.set(addr, { times, at: now })
    const host = hostOf(addr)
    this.#failedOfHost.set(host, (this.#failedOfHost.get(host) ?? 0) + 1)
    for (const oldest of this.#failed.keys()) {
      if (this.#failed.size <= MAX_REMEMBERED) return
      this.#forget(oldest)
    }
  }

  succeeded(addr: string, peerId: string): void {
    this.found(addr, peerId)
    this.#forget(addr)
  }

  /** Another was looked for there, and this one answered. */
  found(addr: string, peerId: string): void {
    this.#found.set(addr, { peerId, times: 0, at: 0 })
  }

  /** The order in which the addresses of a peer are tried: where it was found comes first, what failed last. */
  rank(addr: string, peerId = this.#found.get(addr)?.peerId): number {
    const found = this.#found.get(addr)
    if (found !== undefined) return found.peerId === peerId && found.times === 0 ? 0 : 2
    return this.#failed.has(addr) ? 2 : 1
  }

  #recent(addr: string, now: number): Failed | undefined {
    this.#forgetOld(now)
    return this.#failed.get(addr)
  }

  #failedOf(host: string, now: number): number {
    this.#forgetOld(now)
    return this.#failedOfHost.get(host) ?? 0
  }

  /** Each failure is looked at once here, however often is asked. */
  #forgetOld(now: number): void {
    for (const [addr, { at }] of this.#failed) {
      if (now - at <= DIAL_MEMORY_MS) return
      this.#forget(addr)
    }
  }

  #forget(addr: string): void {
    if (!this.#failed.delete(addr)) return
    const host = hostOf(addr)
    const left = (this.#failedOfHost.get(host) ?? 1) - 1
    if (left > 0) this.#failedOfHost.set(host, left)
    else this.#failedOfHost.delete(host)
  }
}

function mayTryAgain({ times, at }: Failed, now: number): boolean {
  const doublings = times - FREE_FAILURES
  return doublings < 0 || now - at >= Math.min(MAX_WAIT_MS, WAIT_MS * 2 ** doublings)
}
