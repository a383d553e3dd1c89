/**
 * How much a swarm places ahead and has on its way, in bytes. The rate is what peers said they got, the trip the
 * shortest time seen from an offer to its answer. Both begin low, so that the windows grow as they are used up (slow
 * start).
 */
import { KIB, MIB, SECOND_MS } from '../../base/units.ts'
import { atMostLeft, type Batch } from './batch.ts'
import { BLOCK_BYTES } from './config.ts'
import { RateMeter } from './rate-meter.ts'

/** Hash, write, and the event loop of the other side. */
const SLACK_MS = 20
/** Where a batch takes less time than this, to keep the path full counts for more than to send one after the other. */
const SHORT_BATCH_MS = 40
const MAX_WINDOW_BYTES = 32 * MIB
/** A round trip that was seen so long ago is forgotten: paths change. */
const FORGET_MS = 60 * SECOND_MS
/** The best rate fades by a half in so long. */
const FADE_MS = 30 * SECOND_MS
/** The rate of the last seconds lags behind while it rises. It may be believed to have been so many times as high. */
const MAX_RISE = 2
/** What a peer that says nothing is believed to take of the best rate. */
const PRESUMED_SHARE = 0.75
/** News of what was handed to a stream comes this much later than it takes at the least, or else is doubted. */
const DOUBTED_MS = 500
/** Of one that never took anything. */
const DOUBTED_NEWCOMER_MS = 100
/** What the kernel may hold of it. */
const HELD_BYTES = MIB
/** At least so much is presumed sent, bytes a second: one that asks and never reads must not hold the uplink for long. */
const MIN_PRESUMED = 256 * KIB
/** The same of one that never took anything: it must not hold up all others while no rate is known. */
const NEWCOMER_PRESUMED = 8 * MIB

export class UplinkWindow {
  readonly #pieceBytes: number
  readonly #rate = new RateMeter()
  #best = 0
  #bestAt = 0
  #tripMs: number | undefined
  #tripAt = 0

  /** @param pieceBytes of the largest batch */
  constructor(pieceBytes: number) {
    this.#pieceBytes = pieceBytes
  }

  /**
   * As much is placed: a batch on its way, and what goes out from an offer to the news that it arrived. A quarter of the
   * offers are declined and made anew to somebody else, which takes one more trip.
   */
  placeBelow(now: number): number {
    const ahead = this.#inTime(3 * (this.#tripMs ?? 0) + 2 * this.#slackMs(now), now)
    return Math.min(MAX_WINDOW_BYTES, this.#pieceBytes + Math.max(BLOCK_BYTES, ahead))
  }

  /** The next batch starts when no more is on its way: a block, and what goes out until news of it could come. */
  startBelow(now: number): number {
    return Math.min(MAX_WINDOW_BYTES, BLOCK_BYTES + this.#inTime((this.#tripMs ?? 0) + this.#slackMs(now), now))
  }

  /** What of a started batch is still on its way. */
  remaining(batch: Batch, now: number): number {
    const { startedAt = now } = batch
    const presumed =
      (Math.max(MIN_PRESUMED, this.#bestRate(now) * PRESUMED_SHARE) *
        Math.max(0, now - startedAt - (this.#tripMs ?? 0))) /
      SECOND_MS
    return Math.max(0, atMostLeft(batch) - presumed)
  }

  /** Without news of what was handed to a stream for so long its taker is doubted. @param hasTaken anything before */
  doubtedMs(bytes: number, hasTaken: boolean, now: number): number {
    const leastRate = hasTaken ? MIN_PRESUMED : NEWCOMER_PRESUMED
    const tripMs = 2 * (this.#tripMs ?? 0) + (hasTaken ? DOUBTED_MS : DOUBTED_NEWCOMER_MS)
    return tripMs + (2 * Math.max(bytes, HELD_BYTES) * SECOND_MS) / Math.max(leastRate, this.#rate.rate(now))
  }

  /** A peer has what was placed with it. */
  arrived(bytes: number, now: number): void {
    this.#rate.add(bytes, now)
    const rate = this.#rate.rate(now)
    if (rate < this.#bestRate(now)) return
    this.#best = rate
    this.#bestAt = now
  }

  /** An offer was answered. */
  answered(tripMs: number, now: number): void {
    if (this.#tripMs !== undefined && tripMs > this.#tripMs && now - this.#tripAt < FORGET_MS) return
    this.#tripMs = tripMs
    this.#tripAt = now
  }

  #slackMs(now: number): number {
    const batchMs = (this.#pieceBytes * SECOND_MS) / Math.max(1, this.#rate.rate(now))
    return SLACK_MS + Math.max(0, SHORT_BATCH_MS - batchMs)
  }

  #inTime(ms: number, now: number): number {
    const rate = Math.min(this.#bestRate(now), MAX_RISE * this.#rate.rate(now))
    return (rate * ms) / SECOND_MS
  }

  #bestRate(now: number): number {
    return this.#best * 0.5 ** ((now - this.#bestAt) / FADE_MS)
  }
}
