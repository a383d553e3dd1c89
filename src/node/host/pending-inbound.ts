/**
 * Connections that came in and have not yet said who they are. A handshake takes a moment; who connects and is silent
 * may sit there until its time is up, and by the hundred would keep everybody else out. So when there are too many the
 * one is ended that has waited longest, of the host (and the site) that has most: a flood turns out its own.
 *
 * Invariant: `#waiting` holds those that are open and have not shown who they are, in the order in which they came.
 */
import type { MultiaddrConnection } from '@libp2p/interface'
import { ShoalError } from '../../base/errors.ts'
import { crowding, type Origin, originOf } from '../../base/remote-host.ts'

/** Below what libp2p takes at all: beyond that newcomers are refused. */
export const MAX_PENDING = 256

/** What is needed of a connection. */
export type Pending = Pick<MultiaddrConnection, 'remoteAddr' | 'abort' | 'addEventListener'>

export class PendingInbound {
  /** Connection → where it is from. */
  readonly #waiting = new Map<Pending, Origin>()

  get size(): number {
    return this.#waiting.size
  }

  came(connection: Pending): void {
    this.#waiting.set(connection, originOf(connection.remoteAddr.toString()))
    connection.addEventListener('close', () => this.done(connection))
    if (this.#waiting.size <= MAX_PENDING) return
    const oldest = this.#oldestOfMost()
    if (oldest === undefined) return
    this.done(oldest)
    oldest.abort(new ShoalError('ERR_UNREACHABLE', 'too many connections that do not say who they are'))
  }

  /** It said who it is, or is over. */
  done(connection: Pending): void {
    this.#waiting.delete(connection)
  }

  #oldestOfMost(): Pending | undefined {
    const crowdingOf = crowding(this.#waiting.values())
    let most = 0
    let oldest: Pending | undefined
    for (const [connection, origin] of this.#waiting) {
      const crowded = crowdingOf(origin)
      if (crowded > most) [most, oldest] = [crowded, connection]
    }
    return oldest
  }
}
