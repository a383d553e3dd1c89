/** The length ahead of every noise message (https://github.com/libp2p/specs/tree/master/noise#wire-format). */
export const LENGTH_BYTES = 2
export const MAX_MESSAGE_BYTES = 65_535

/**
 * Cuts what arrives into noise messages. One that lies whole in a chunk is a view of it; one that does not is put
 * together in a buffer of its own.
 */
export class MessageAssembler {
  #high: number | undefined
  #message: Uint8Array | undefined
  #filled = 0

  /** `onMessage` runs before it returns. What it throws passes through. */
  push(chunk: Uint8Array, onMessage: (message: Uint8Array) => void): void {
    let at = 0
    while (at < chunk.byteLength) {
      if (this.#message !== undefined) {
        const part = chunk.subarray(at, at + this.#message.byteLength - this.#filled)
        this.#message.set(part, this.#filled)
        this.#filled += part.byteLength
        at += part.byteLength
        if (this.#filled < this.#message.byteLength) return
        const message = this.#message
        this.#message = undefined
        onMessage(message)
        continue
      }
      if (this.#high === undefined) {
        this.#high = chunk[at]
        at += 1
        continue
      }
      const length = (this.#high << 8) | (chunk[at] ?? 0)
      this.#high = undefined
      at += 1
      if (chunk.byteLength - at >= length) {
        const message = chunk.subarray(at, at + length)
        at += length
        onMessage(message)
      } else {
        this.#message = new Uint8Array(length)
        this.#filled = 0
      }
    }
  }
}
