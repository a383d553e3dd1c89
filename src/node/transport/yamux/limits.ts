/** What one connection may cost. Who goes beyond these is told so by a go-away, and loses the connection. */

/**
 * Frames without data that may be queued while the connection takes nothing, of 12 bytes each. A peer that makes us
 * answer (pings, streams that are refused) and never reads what we answer is dropped there.
 */
export const MAX_QUEUED_CONTROL_FRAMES = 16_384

/** Streams that the other side may open at once, as many as there are roots, and later in a second: most are reset soon. */
export const STREAM_BURST = 4096
export const STREAMS_PER_SEC = 256
/** As so many more counts one that we reset because as many others have no protocol yet … */
export const REFUSED_STREAM_COST = 1
/** … because it took so many bytes for its name, or that the other side reset before it had one. */
export const NAMELESS_STREAM_COST = 8
/**
 * Frames that carry less than this, or nothing: they cost as much as others. Messages of a swarm are such frames, and a
 * receiver that grants each frame anew at 1 GB/s needs 16,000 a second.
 */
export const SMALL_FRAME_BYTES = 256
export const SMALL_FRAME_BURST = 131_072
export const SMALL_FRAMES_PER_SEC = 32_768
/** Pings that are answered; usual is one in 30 s. */
export const PING_BURST = 256
export const PINGS_PER_SEC = 16

/** Between a go-away for an error and the end of the connection. */
export const GO_AWAY_GRACE_MS = 250
