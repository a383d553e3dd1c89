/**
 * Connections that came in and have not yet said who they are. A handshake takes a moment; who connects and is silent
 * may sit there until its time is up, and by the hundred would keep everybody else out. So when there are too many the
 * one is ended that has waited longest, of the host that has most: a flood turns out its own.
 *
 * Invariant: `#waiting` holds those that are open and have not shown who they are, in the order in which they came.
 */
import type { MultiaddrConnection } from '@libp2p/interface'
import { ShoalError } from '../../base/errors.ts'
import { hostOf } from '../../base/remote-host.ts'

/** Below what libp2p takes at all: beyond that newcomers are refused. */
export const MAX_PENDING = 256

/** What is needed of a connection. */
export type Pending = Pick<MultiaddrConnection, 'remoteAddr' | 'abort' | 'addEventListener'>

export class PendingInbound {
  /** Connection → its host. */
  readonly #waiting = new Map<Pending, string>()

  get size(): number {
    return this.#waiting.size
  }

  came(connection: Pending): void {
    this.#waiting.set(connection, hostOf(connection.remoteAddr.toString()))
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
    const counts = new Map<string, number>()
    for (const host of this.#waiting.values()) counts.set(host, (counts.get(host) ?? 0) + 1)
    const most = Math.max(...counts.values())
    for (const [connection, host] of this.#waiting) if (counts.get(host) === most) return connection
    return undefined
  }
}
