/**
 * How often one host may connect. A handshake costs some milliseconds, and a new name brings new budgets for all that is
 * counted by name; so what is ended for breaking a rule counts for its host as many connections. Whoever lives there
 * besides shares what is left, and gets in again a moment after it ends. To be silent is no offence: it costs a socket,
 * and others turn it out.
 */
import type { MultiaddrConnection, StreamCloseEvent } from '@libp2p/interface'
import { ShoalError } from '../../base/errors.ts'
import { type Origin, originOf, SITE_FACTOR } from '../../base/remote-host.ts'
import type { TokenBucket } from '../../base/token-bucket.ts'
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
  readonly #hosts = new TokenBuckets(INBOUND_PER_SEC, INBOUND_BURST)
  readonly #sites = new TokenBuckets(SITE_FACTOR * INBOUND_PER_SEC, SITE_FACTOR * INBOUND_BURST)
  /** Those that may stay, and were not ended for breaking a rule: where each is from. */
  readonly #innocent = new WeakMap<object, Origin>()

  /** @param now monotonic, ms */
  constructor(now: () => number) {
    this.#now = now
  }

  /** Whether it may stay. From then on its end is watched. */
  came(connection: Arriving): boolean {
    const origin = originOf(connection.remoteAddr.toString())
    const now = this.#now()
    const buckets = this.#bucketsOf(origin, now)
    if (!buckets.every(bucket => bucket.allows(now, 1))) return false
    for (const bucket of buckets) bucket.take(now, 1)
    this.#innocent.set(connection, origin)
    connection.addEventListener('close', ({ error, local }: StreamCloseEvent) => {
      if (local === true && error instanceof ShoalError && error.fault === 'peer') this.endedFor(connection)
    })
    return true
  }

  /**
   * A connection ends as the other side broke a rule. To be told at once, too: who hangs up before we do is told as one
   * that left. Counts once; undefined, and one that did not come in, count for nothing.
   */
  endedFor(connection: object | undefined): void {
    const origin = connection === undefined ? undefined : this.#innocent.get(connection)
    if (connection === undefined || origin === undefined) return
    this.#innocent.delete(connection)
    this.#offended(origin)
  }

  /** Whoever is there broke a rule. */
  offended(addr: string): void {
    this.#offended(originOf(addr))
  }

  #offended(origin: Origin): void {
    const now = this.#now()
    // many that were connected already may offend at once: who has nothing left owes no more
    for (const bucket of this.#bucketsOf(origin, now)) if (bucket.allows(now, 1)) bucket.owe(now, OFFENCE_COST)
  }

  #bucketsOf({ host, site }: Origin, now: number): TokenBucket[] {
    return [this.#hosts.of(host, now), this.#sites.of(site, now)]
  }
}
