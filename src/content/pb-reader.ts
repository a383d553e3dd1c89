/** Reads protobuf fields in place: no copies, numbers up to 2^53 - 1. Every fault is an ERR_MALFORMED_ROOT. */
import { malformedRoot } from './malformed-root.ts'

export const WIRE_VARINT = 0
export const WIRE_FIXED64 = 1
export const WIRE_BYTES = 2
export const WIRE_FIXED32 = 5

const MAX_VARINT_BYTES = 10

export class PbReader {
  readonly bytes: Uint8Array
  /** The next byte to read. */
  at: number
  readonly end: number

  constructor(bytes: Uint8Array, start = 0, end = bytes.byteLength) {
    this.bytes = bytes
    this.at = start
    this.end = end
  }

  get done(): boolean {
    return this.at >= this.end
  }

  varint(): number {
    let value = 0
    let scale = 1
    for (let n = 0; n < MAX_VARINT_BYTES; n++) {
      if (this.at >= this.end) throw malformedRoot('a DAG node ends within a number')
      const byte = this.bytes[this.at++] ?? 0
      value += (byte & 0x7f) * scale
      if (byte < 0x80) {
        if (value > Number.MAX_SAFE_INTEGER) throw malformedRoot('a number of more than 53 bits')
        return value
      }
      scale *= 128
    }
    throw malformedRoot('a number of more than 64 bits')
  }

  /** Passes a varint of up to 64 bits whose value does not matter. */
  skipVarint(): void {
    for (let n = 0; n < MAX_VARINT_BYTES; n++) {
      if (this.at >= this.end) throw malformedRoot('a DAG node ends within a number')
      if ((this.bytes[this.at++] ?? 0) < 0x80) return
    }
    throw malformedRoot('a number of more than 64 bits')
  }

  /** Reads a length, moves past that many bytes and returns the length: the field lies at `at - length`. */
  skipBytes(): number {
    const length = this.varint()
    if (length > this.end - this.at) throw malformedRoot('a DAG node ends within a field')
    this.at += length
    return length
  }

  /** Passes a field that is of no interest. */
  skip(wireType: number): void {
    if (wireType === WIRE_VARINT) this.skipVarint()
    else if (wireType === WIRE_BYTES) this.skipBytes()
    else if (wireType === WIRE_FIXED64 || wireType === WIRE_FIXED32) {
      this.at += wireType === WIRE_FIXED64 ? 8 : 4
      if (this.at > this.end) throw malformedRoot('a DAG node ends within a field')
    } else throw malformedRoot(`protobuf wire type ${wireType}`)
  }
}
