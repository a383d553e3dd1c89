/**
 * Framing of `/shoal/swarm/1.0.0`: a stream in each direction is a sequence of frames.
 *
 *     offset  bytes  all numbers big endian
 *     0       4      n, the number of bytes that follow; 1 ≤ n ≤ MAX_FRAME_BYTES
 *     4       1      type
 *     5       n - 1  body
 *
 *     type 0  control: one Control message of wire.proto, n - 1 ≤ MAX_CONTROL_BYTES
 *     type 1  data: u32 request id, then 1 to MAX_DATA_BYTES bytes of payload
 *     others  skipped, whatever they hold, so that later versions can add types
 *
 * The frames of one request's data carry its bytes in order; their payload together is the request's length.
 */

import { ShoalError } from '../../base/errors.ts'
import { readU32, writeU32 } from '../../base/u32.ts'
import { encodeMessage } from './codec.ts'
import { MAX_CONTROL_BYTES, MAX_DATA_BYTES, MAX_FRAME_BYTES } from './limits.ts'
import type { Message } from './messages.ts'

export const FRAME_CONTROL = 0
export const FRAME_DATA = 1
/** Length and type. */
export const FRAME_HEADER_BYTES = 5
/** Length, type and request id. */
export const DATA_HEADER_BYTES = 9

/** The whole frame in one buffer of its own. */
export function encodeControlFrame(message: Message): Uint8Array {
  const body = encodeMessage(message)
  const frame = new Uint8Array(FRAME_HEADER_BYTES + body.byteLength)
  writeHeader(frame, 1 + body.byteLength, FRAME_CONTROL)
  frame.set(body, FRAME_HEADER_BYTES)
  return frame
}

/**
 * The 9 bytes that go ahead of `length` bytes of payload, 1 ≤ length ≤ MAX_DATA_BYTES.
 * @param header its front is written to; default new bytes
 */
export function dataFrameHeader(
  id: number,
  length: number,
  header: Uint8Array = new Uint8Array(DATA_HEADER_BYTES)
): Uint8Array {
  writeHeader(header, 5 + length, FRAME_DATA)
  writeU32(header, FRAME_HEADER_BYTES, id)
  return header
}

export interface FrameHandlers {
  /** The body of a control frame, a buffer of its own. */
  onControl(bytes: Uint8Array): void
  /** Payload as it arrives, a view of the chunk that was pushed. `last`: the frame ends with it (not the request). */
  onData(id: number, chunk: Uint8Array, last: boolean): void
}

/**
 * Cuts a byte stream into frames, synchronously, whatever the chunks. Holds at most a header and one control body, and
 * for that never more than twice the bytes that have arrived.
 */
export class FrameDecoder {
  readonly #handlers: FrameHandlers
  readonly #header = new Uint8Array(DATA_HEADER_BYTES)
  #headerFilled = 0
  #headerNeeded = FRAME_HEADER_BYTES
  /** Body bytes of the current frame still to come; meaningful once the header is whole. */
  #left = 0
  #inBody = false
  #id = 0
  #body = new Uint8Array(0)
  #bodyFilled = 0
  #ended = false

  constructor(handlers: FrameHandlers) {
    this.#handlers = handlers
  }

  /** Payload that comes next, ahead of any header: of which request, and how many bytes. */
  get expected(): { readonly id: number; readonly bytes: number } | undefined {
    return this.#inBody && this.#header[4] === FRAME_DATA ? { id: this.#id, bytes: this.#left } : undefined
  }

  /** Nothing more is handed out, not even from a chunk that is being pushed. */
  end(): void {
    this.#ended = true
    this.#body = new Uint8Array(0)
  }

  /**
   * Handlers run before it returns. What a handler throws passes through.
   * @throws ERR_LIMIT for an oversized frame, ERR_PROTOCOL for one too short; then the decoder has ended
   */
  push(chunk: Uint8Array): void {
    let at = 0
    while (at < chunk.byteLength && !this.#ended) {
      at += this.#inBody ? this.#takeBody(chunk, at) : this.#takeHeader(chunk, at)
    }
  }

  #takeHeader(chunk: Uint8Array, at: number): number {
    const taken = Math.min(this.#headerNeeded - this.#headerFilled, chunk.byteLength - at)
    for (let i = 0; i < taken; i++) this.#header[this.#headerFilled + i] = chunk[at + i] ?? 0
    this.#headerFilled += taken
    if (this.#headerFilled < this.#headerNeeded) return taken
    if (this.#headerNeeded === FRAME_HEADER_BYTES) {
      this.#checkHeader()
      if (this.#header[4] === FRAME_DATA) {
        this.#headerNeeded = DATA_HEADER_BYTES
        return taken
      }
    }
    this.#beginBody()
    return taken
  }

  #checkHeader(): void {
    const length = readU32(this.#header, 0)
    const type = this.#header[4]
    if (length < 1) this.#fail('ERR_PROTOCOL', 'a frame without a type')
    if (length > MAX_FRAME_BYTES) this.#fail('ERR_LIMIT', `a frame of ${length} bytes`)
    if (type === FRAME_CONTROL && length - 1 > MAX_CONTROL_BYTES) {
      this.#fail('ERR_LIMIT', `a control frame of ${length} bytes`)
    }
    if (type === FRAME_DATA) {
      if (length < 6) this.#fail('ERR_PROTOCOL', 'a data frame without payload')
      if (length - 5 > MAX_DATA_BYTES) this.#fail('ERR_LIMIT', `a data frame of ${length} bytes`)
    }
  }

  #beginBody(): void {
    this.#left = readU32(this.#header, 0) - (this.#headerNeeded - 4)
    this.#id = this.#headerNeeded === DATA_HEADER_BYTES ? readU32(this.#header, FRAME_HEADER_BYTES) : 0
    this.#inBody = this.#left > 0
    this.#headerFilled = 0
    this.#headerNeeded = FRAME_HEADER_BYTES
    this.#bodyFilled = 0
    if (!this.#inBody && this.#header[4] === FRAME_CONTROL) this.#handlers.onControl(new Uint8Array(0))
  }

  #takeBody(chunk: Uint8Array, at: number): number {
    const taken = Math.min(this.#left, chunk.byteLength - at)
    const part = chunk.subarray(at, at + taken)
    this.#left -= taken
    this.#inBody = this.#left > 0
    switch (this.#header[4]) {
      case FRAME_DATA:
        this.#handlers.onData(this.#id, part, !this.#inBody)
        break
      case FRAME_CONTROL:
        this.#collect(part)
        break
      default:
    }
    return taken
  }

  #collect(part: Uint8Array): void {
    const needed = this.#bodyFilled + part.byteLength
    if (needed > this.#body.byteLength) {
      const total = needed + this.#left
      const grown = new Uint8Array(this.#left === 0 ? needed : Math.min(total, Math.max(needed * 2, 256)))
      grown.set(this.#body.subarray(0, this.#bodyFilled))
      this.#body = grown
    }
    this.#body.set(part, this.#bodyFilled)
    this.#bodyFilled = needed
    if (this.#left > 0) return
    const body = this.#body.byteLength === needed ? this.#body : this.#body.subarray(0, needed)
    this.#body = new Uint8Array(0)
    this.#handlers.onControl(body)
  }

  #fail(code: 'ERR_LIMIT' | 'ERR_PROTOCOL', message: string): never {
    this.end()
    throw new ShoalError(code, `the peer sent ${message}`)
  }
}

function writeHeader(buffer: Uint8Array, length: number, type: number): void {
  writeU32(buffer, 0, length)
  buffer[4] = type
}
