/** Payload bytes and rates of one root: its sessions one by one, and all together. */
import { RateMeter } from '../core/rate-meter.ts'
import type { PeerSession } from './peer-session.ts'

export interface Rates {
  /** Bytes a second over the last seconds. */
  up: number
  down: number
}

interface Counted {
  readonly session: PeerSession
  sent: number
  received: number
  readonly up: RateMeter
  readonly down: RateMeter
}

export class Traffic {
  readonly #up = new RateMeter()
  readonly #down = new RateMeter()
  readonly #counted = new Map<number, Counted>()
  /** Of sessions that have ended. */
  #endedSent = 0
  #endedReceived = 0

  /** Payload bytes of all sessions, ended ones too, up to now. */
  get sentBytes(): number {
    let sum = this.#endedSent
    for (const { session } of this.#counted.values()) sum += session.sentBytes
    return sum
  }

  get receivedBytes(): number {
    let sum = this.#endedReceived
    for (const { session } of this.#counted.values()) sum += session.receivedBytes
    return sum
  }

  rates(now: number): Rates {
    return { up: this.#up.rate(now), down: this.#down.rate(now) }
  }

  sessionRates(session: number, now: number): Rates {
    const counted = this.#counted.get(session)
    return { up: counted?.up.rate(now) ?? 0, down: counted?.down.rate(now) ?? 0 }
  }

  /** Takes in what the session moved since the last time, and returns it. */
  count(session: PeerSession, now: number): Rates {
    let counted = this.#counted.get(session.id)
    if (counted === undefined) {
      counted = { session, sent: 0, received: 0, up: new RateMeter(), down: new RateMeter() }
      this.#counted.set(session.id, counted)
    }
    const up = session.sentBytes - counted.sent
    const down = session.receivedBytes - counted.received
    counted.sent += up
    counted.received += down
    for (const meter of [this.#up, counted.up]) meter.add(up, now)
    for (const meter of [this.#down, counted.down]) meter.add(down, now)
    return { up, down }
  }

  /** The session is over: counts what is left of it. */
  end(session: PeerSession, now: number): void {
    this.count(session, now)
    this.#endedSent += session.sentBytes
    this.#endedReceived += session.receivedBytes
    this.#counted.delete(session.id)
  }
}
