/**
 * Frames of `/yamux/1.0.0` (https://github.com/hashicorp/yamux/blob/master/spec.md,
 * https://github.com/libp2p/specs/tree/master/yamux):
 *
 *     offset  bytes  all numbers big endian
 *     0       1      version, 0
 *     1       1      type
 *     2       2      flags
 *     4       4      stream: odd ones are the dialer's, even ones the listener's, 0 is the session
 *     8       4      length
 *
 *     type 0  data: `length` bytes of payload follow
 *     type 1  window update: `length` bytes more may be sent on the stream
 *     type 2  ping: `length` is echoed
 *     type 3  go away: `length` is the reason
 */
import { writeU32 } from '../../../base/u32.ts'
import { withRoomAhead } from '../../../base/views.ts'

export const HEADER_BYTES = 12
export const VERSION = 0

export const TYPE_DATA = 0
export const TYPE_WINDOW = 1
export const TYPE_PING = 2
export const TYPE_GO_AWAY = 3

/** Opens a stream; a ping that asks. */
export const FLAG_SYN = 1
/** Takes a stream; a ping that answers. */
export const FLAG_ACK = 2
/** The sender's half is closed. */
export const FLAG_FIN = 4
export const FLAG_RST = 8

export const GO_AWAY_NORMAL = 0
export const GO_AWAY_PROTOCOL_ERROR = 1
export const GO_AWAY_INTERNAL_ERROR = 2

/** What either side may send on a new stream before it hears of more. */
export const INITIAL_WINDOW_BYTES = 256 * 1024
export const MAX_U32 = 2 ** 32 - 1

export interface FrameHeader {
  readonly type: number
  readonly flags: number
  readonly stream: number
  readonly length: number
}

/** @param header its front is written to; default new bytes */
export function encodeHeader(
  { type, flags, stream, length }: FrameHeader,
  header: Uint8Array = new Uint8Array(HEADER_BYTES)
): Uint8Array {
  header[0] = VERSION
  header[1] = type
  header[2] = flags >>> 8
  header[3] = flags
  writeU32(header, 4, stream)
  writeU32(header, 8, length)
  return header
}

/** The frame of a payload, its header put into the memory ahead of it. */
export function frameInPlace(fields: FrameHeader, payload: Uint8Array): Uint8Array {
  const frame = withRoomAhead(payload, HEADER_BYTES)
  encodeHeader(fields, frame)
  return frame
}
