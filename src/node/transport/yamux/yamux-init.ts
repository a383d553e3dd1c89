import type { MessageStream } from '@libp2p/interface'
import type { Unnegotiated } from '../unnegotiated.ts'

export const KEEP_ALIVE_MS = 30_000

export interface YamuxInit {
  /** Default 1000 each. */
  maxInboundStreams?: number
  maxOutboundStreams?: number
  /** Inbound streams that come before anyone listens. Default 10. */
  maxEarlyStreams?: number
  /** How far the window of a stream may grow. Default 16 MiB. */
  maxWindowBytes?: number
  /** Default {@link KEEP_ALIVE_MS}; 0: no pings. */
  keepAliveMs?: number
  /** The other side broke a rule, and the connection ends for it. */
  onOffence?: (connection: MessageStream) => void
  /** Of the node. Absent: streams without a protocol are not bounded, as where they are given none. */
  unnegotiated?: Unnegotiated
  /** Protocols of which a message with a length without end resets its stream. Default none. */
  lengthPrefixed?: ReadonlySet<string>
}
