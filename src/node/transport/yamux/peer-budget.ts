import { ShoalError } from '../../../base/errors.ts'
import { TokenBucket } from '../../../base/token-bucket.ts'
import {
  NAMELESS_STREAM_COST,
  PING_BURST,
  PINGS_PER_SEC,
  REFUSED_STREAM_COST,
  SMALL_FRAME_BURST,
  SMALL_FRAMES_PER_SEC,
  STREAM_BURST,
  STREAMS_PER_SEC
} from './limits.ts'

/** How often the other side of a connection may do what costs us something. Each throws ERR_LIMIT when it is too often. */
export class PeerBudget {
  readonly #streams = new TokenBucket(performance.now(), STREAMS_PER_SEC, STREAM_BURST)
  readonly #pings = new TokenBucket(performance.now(), PINGS_PER_SEC, PING_BURST)
  readonly #small = new TokenBucket(performance.now(), SMALL_FRAMES_PER_SEC, SMALL_FRAME_BURST)

  openedStream(): void {
    take(this.#streams, 1, 'streams opened too often')
  }

  /** As too many have no protocol yet. */
  refusedStream(): void {
    take(this.#streams, REFUSED_STREAM_COST, 'too many streams that do not say what they are for')
  }

  /** Before it had a protocol: by us, as it took too many bytes for that, or by the other side. */
  resetNamelessStream(): void {
    take(this.#streams, NAMELESS_STREAM_COST, 'too many streams that come to nothing')
  }

  pinged(): void {
    take(this.#pings, 1, 'too many pings')
  }

  sentSmallFrame(): void {
    take(this.#small, 1, 'too many frames that carry nothing')
  }
}

function take(bucket: TokenBucket, count: number, what: string): void {
  if (!bucket.take(performance.now(), count)) throw new ShoalError('ERR_LIMIT', `yamux: ${what}`)
}
