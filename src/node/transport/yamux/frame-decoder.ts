import { ShoalError } from '../../../base/errors.ts'
import { readU32 } from '../../../base/u32.ts'
import { type FrameHeader, HEADER_BYTES, TYPE_DATA, TYPE_GO_AWAY, VERSION } from './frame.ts'

export interface FrameHandlers {
  /** A header is whole. The payload of a data frame follows by `onPayload`, unless its length is 0. */
  onHeader(header: FrameHeader): void
  /** A part of the payload, a view of the chunk that was pushed. `isLast`: the frame ends with it. */
  onPayload(chunk: Uint8Array, isLast: boolean): void
}

/** Cuts bytes into frames, synchronously, whatever the chunks. Holds at most a header: payload goes on as it comes. */
export class FrameDecoder {
  readonly #handlers: FrameHandlers
  readonly #header = new Uint8Array(HEADER_BYTES)
  #filled = 0
  /** Payload bytes of the current frame still to come. */
  #left = 0
  #isEnded = false

  constructor(handlers: FrameHandlers) {
    this.#handlers = handlers
  }

  /** Payload bytes that come next, ahead of any header. */
  get payloadLeft(): number {
    return this.#left
  }

  /** Nothing more is handed out, not even from a chunk that is being pushed. */
  end(): void {
    this.#isEnded = true
  }

  /** @throws ERR_PROTOCOL for another version or an unknown type, and what a handler throws */
  push(chunk: Uint8Array): void {
    let at = 0
    while (at < chunk.byteLength && !this.#isEnded) {
      if (this.#left > 0) {
        const taken = Math.min(this.#left, chunk.byteLength - at)
        const part = taken === chunk.byteLength ? chunk : chunk.subarray(at, at + taken)
        at += taken
        this.#left -= taken
        this.#handlers.onPayload(part, this.#left === 0)
      } else if (this.#filled === 0 && chunk.byteLength - at >= HEADER_BYTES) {
        this.#take(chunk, at)
        at += HEADER_BYTES
      } else {
        const taken = Math.min(HEADER_BYTES - this.#filled, chunk.byteLength - at)
        this.#header.set(chunk.subarray(at, at + taken), this.#filled)
        this.#filled += taken
        at += taken
        if (this.#filled === HEADER_BYTES) {
          this.#filled = 0
          this.#take(this.#header, 0)
        }
      }
    }
  }

  #take(bytes: Uint8Array, at: number): void {
    const type = bytes[at + 1] ?? 0
    if (bytes[at] !== VERSION || type > TYPE_GO_AWAY) {
      this.end()
      throw new ShoalError('ERR_PROTOCOL', `a yamux frame of version ${bytes[at]} and type ${type}`)
    }
    const length = readU32(bytes, at + 8)
    if (type === TYPE_DATA) this.#left = length
    const flags = ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0)
    this.#handlers.onHeader({ type, flags, stream: readU32(bytes, at + 4), length })
  }
}
