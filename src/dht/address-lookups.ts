/**
 * Addresses of providers whose record came without any, asked for beside the walk: anyone may name forty such peers in
 * one answer, and each look takes seconds. Who is named again with addresses needs no look.
 */
import type { PeerId } from '@libp2p/interface'

/** At once. */
const LOOKUPS = 4

export interface Looked {
  readonly id: string
  /** Empty when nobody knows any. */
  readonly addrs: string[]
}

export class AddressLookups {
  readonly #find: (peer: PeerId) => Promise<string[]>
  readonly #waiting = new Map<string, PeerId>()
  readonly #running = new Map<string, Promise<Looked>>()

  /** @param find never rejects */
  constructor(find: (peer: PeerId) => Promise<string[]>) {
    this.#find = find
  }

  add(peer: PeerId): void {
    this.#waiting.set(peer.toString(), peer)
    this.#beginMore()
  }

  /** Its addresses are known meanwhile; a look that is under way goes on. */
  drop(id: string): void {
    this.#waiting.delete(id)
  }

  /** Those under way, for a race; the one that won it is to be ended. */
  get running(): Promise<Looked>[] {
    return [...this.#running.values()]
  }

  ended(id: string): void {
    this.#running.delete(id)
    this.#beginMore()
  }

  /** Whose addresses are not known yet; nobody is looked up any more. */
  stop(): string[] {
    const left = [...this.#running.keys(), ...this.#waiting.keys()]
    this.#running.clear()
    this.#waiting.clear()
    return left
  }

  #beginMore(): void {
    for (const [id, peer] of this.#waiting) {
      if (this.#running.size >= LOOKUPS) return
      this.#waiting.delete(id)
      this.#running.set(
        id,
        this.#find(peer).then(addrs => ({ id, addrs }))
      )
    }
  }
}
