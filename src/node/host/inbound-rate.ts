/**
 * How often one host may connect. A handshake costs some milliseconds, and a new name brings new budgets for all that is
 * counted by name; so what is ended for breaking a rule counts for its host as many connections. Whoever lives there
 * besides gets in again after a moment. To be silent is no offence: it costs a socket, and others turn it out.
 */
import type { MultiaddrConnection, StreamCloseEvent } from '@libp2p/interface'
import { ShoalError } from '../../base/errors.ts'
import { hostOf } from '../../base/remote-host.ts'
import { TokenBuckets } from '../../base/token-buckets.ts'

/** At once after a pause: a whole swarm may live behind one address. */
export const INBOUND_BURST = 600
export const INBOUND_PER_SEC = 8
/** A connection or a session that was ended for breaking a rule counts as so many connections. */
export const OFFENCE_COST = 20

/** What is needed of a connection. */
export type Arriving = Pick<MultiaddrConnection, 'remoteAddr' | 'addEventListener'>

export class InboundRate {
  readonly #now: () => number
  readonly #buckets = new TokenBuckets(INBOUND_PER_SEC, INBOUND_BURST)

  /** @param now monotonic, ms */
  constructor(now: () => number) {
    this.#now = now
  }

  /** Whether it may stay. From then on its end is watched. */
  came(connection: Arriving): boolean {
    const addr = connection.remoteAddr.toString()
    if (!this.#buckets.of(hostOf(addr), this.#now()).take(this.#now(), 1)) return false
    connection.addEventListener('close', ({ error, local }: StreamCloseEvent) => {
      if (local === true && error instanceof ShoalError && error.fault === 'peer') this.offended(addr)
    })
    return true
  }

  /** Whoever is there broke a rule. */
  offended(addr: string): void {
    const now = this.#now()
    const bucket = this.#buckets.of(hostOf(addr), now)
    // many that were connected already may offend at once: who has nothing left owes no more
    if (bucket.allows(now, 1)) bucket.owe(now, OFFENCE_COST)
  }
}
