/** Which pieces of a root a set of nodes holds together. */

/** One root as several nodes hold it. */
export class Holdings {
  /** Pieces of the root; 0 until someone knows the manifest. */
  pieces = 0
  /** The union. @type {Uint8Array} */
  #bits = new Uint8Array(0)

  /**
   * @param {number} pieces
   * @param {string} bitfield base64, first piece in the highest bit (BEP 3)
   */
  add(pieces, bitfield) {
    const bits = Buffer.from(bitfield, 'base64')
    if (pieces === 0) return
    if (this.pieces === 0) {
      this.pieces = pieces
      this.#bits = new Uint8Array(Math.ceil(pieces / 8))
    }
    if (pieces !== this.pieces || bits.length !== this.#bits.length) {
      throw new Error(`two nodes differ about the number of pieces: ${this.pieces} and ${pieces}`)
    }
    for (const [index, byte] of bits.entries()) this.#bits[index] = (this.#bits[index] ?? 0) | byte
  }

  /** Pieces that at least one of them holds. */
  get held() {
    let held = 0
    for (let piece = 0; piece < this.pieces; piece++) {
      if (((this.#bits[piece >> 3] ?? 0) & (0x80 >> (piece & 7))) !== 0) held += 1
    }
    return held
  }

  get complete() {
    return this.pieces > 0 && this.held === this.pieces
  }
}
