/**
 * Streams that a peer opened and has not named a protocol for. libp2p counts streams by their protocol, so these nobody
 * counts, and each has a negotiation under way, with a timer and buffers, for as long as the handshake may take. An
 * honest peer sends the name along with the stream, so that a stream of its is here for a moment only.
 */
import type { Stream } from '@libp2p/interface'
import { ShoalError } from '../../base/errors.ts'

/**
 * Of one connection; a stream more is reset. A peer may open one for each root that it shares with us, all at once, and
 * one noise message (64 KiB) with 66 bytes for each is read before the first of them is named.
 */
export const MAX_UNNEGOTIATED_PER_CONNECTION = 1024
/** Of all connections of a node; for a stream more the one that has been so for longest is reset. */
export const MAX_UNNEGOTIATED = 2048
/**
 * Bytes on such a stream. A name is at most 1 KiB; what a peer sends without waiting for the answer may be in the same
 * noise message. When the other side does not read the answers, what it asked would wait in memory, 4 MiB a stream.
 */
export const MAX_UNNEGOTIATED_BYTES = 64 * 1024
/** Those that were named meanwhile are looked for when there are twice as many as after the last time, or so many. */
const MIN_SWEPT = 32

type Opened = Pick<Stream, 'protocol' | 'status' | 'abort'>

/** In the order in which they were opened. Invariant: holds each stream that is open and not named. */
class Waiting {
  readonly #streams = new Set<Opened>()
  #sweepAt = MIN_SWEPT

  add(stream: Opened): void {
    this.#streams.add(stream)
  }

  reaches(limit: number): boolean {
    if (this.#streams.size < Math.min(limit, this.#sweepAt)) return false
    for (const stream of this.#streams) {
      if (stream.protocol !== '' || stream.status !== 'open') this.#streams.delete(stream)
    }
    this.#sweepAt = Math.max(2 * this.#streams.size, MIN_SWEPT)
    return this.#streams.size >= limit
  }

  takeOldest(): Opened | undefined {
    const [oldest] = this.#streams
    if (oldest !== undefined) this.#streams.delete(oldest)
    return oldest
  }
}

/** Of one connection. */
export interface UnnegotiatedOfConnection {
  /** Whether another stream is one too many. */
  readonly isFull: boolean
  came(stream: Opened): void
}

/** Of a node. */
export class Unnegotiated {
  readonly #ofAll = new Waiting()

  ofConnection(): UnnegotiatedOfConnection {
    const own = new Waiting()
    return {
      get isFull() {
        return own.reaches(MAX_UNNEGOTIATED_PER_CONNECTION)
      },
      came: stream => {
        if (this.#ofAll.reaches(MAX_UNNEGOTIATED)) {
          this.#ofAll
            .takeOldest()
            ?.abort(new ShoalError('ERR_LIMIT', 'too many streams that do not say what they are for'))
        }
        own.add(stream)
        this.#ofAll.add(stream)
      }
    }
  }
}
