/**
 * ASN.1's distinguished encoding (ITU-T X.690), as far as certificates need it: each value is a tag, a length and that
 * many bytes. Reading is strict: what has two readings is refused, since what is checked must be what was signed.
 */
import { ShoalError } from '../../../base/errors.ts'

export const BOOLEAN = 0x01
export const INTEGER = 0x02
export const BIT_STRING = 0x03
export const OCTET_STRING = 0x04
export const OBJECT_ID = 0x06
export const PRINTABLE_STRING = 0x13
export const UTC_TIME = 0x17
export const GENERALIZED_TIME = 0x18
export const SEQUENCE = 0x30
export const SET = 0x31

/** `[number]`, constructed. */
export const contextTag = (number: number): number => 0xa0 | number

/** Of a length: four bytes would be values over 16 MiB. */
const MAX_LENGTH_BYTES = 3

export interface DerValue {
  tag: number
  content: Uint8Array
  /** With tag and length. */
  raw: Uint8Array
}

/** Reads values one after another. Views, not copies. Everything throws ERR_PROTOCOL for what is not so encoded. */
export class DerReader {
  readonly #bytes: Uint8Array
  readonly #what: string
  #offset = 0

  /** @param what it is, for messages */
  constructor(bytes: Uint8Array, what: string) {
    this.#bytes = bytes
    this.#what = what
  }

  get isAtEnd(): boolean {
    return this.#offset === this.#bytes.byteLength
  }

  next(tag: number): DerValue {
    if (this.#bytes[this.#offset] !== tag) this.#refuse(`no value with tag 0x${tag.toString(16)} where one belongs`)
    const start = this.#offset
    const length = this.#readLength()
    const contentStart = this.#offset
    const end = contentStart + length
    if (end > this.#bytes.byteLength) this.#refuse('a value is cut off')
    this.#offset = end
    return { tag, content: this.#bytes.subarray(contentStart, end), raw: this.#bytes.subarray(start, end) }
  }

  /** Undefined when the next value has another tag, or there is none. */
  optional(tag: number): DerValue | undefined {
    return this.#bytes[this.#offset] === tag ? this.next(tag) : undefined
  }

  /** A reader for the values in the next one. */
  enter(tag: number, what: string): DerReader {
    return new DerReader(this.next(tag).content, what)
  }

  end(): void {
    if (!this.isAtEnd) this.#refuse('bytes are left over')
  }

  #readLength(): number {
    this.#offset += 1
    const first = this.#bytes[this.#offset] ?? this.#refuse('a length is cut off')
    this.#offset += 1
    if (first < 0x80) return first
    const count = first & 0x7f
    if (count === 0 || count > MAX_LENGTH_BYTES) this.#refuse('a length is indefinite or too large')
    let length = 0
    for (let i = 0; i < count; i++) {
      length = length * 0x100 + (this.#bytes[this.#offset] ?? this.#refuse('a length is cut off'))
      this.#offset += 1
    }
    if (length < 0x80 || length < 0x100 ** (count - 1)) this.#refuse('a length is longer than need be')
    return length
  }

  #refuse(why: string): never {
    throw new ShoalError('ERR_PROTOCOL', `not a proper ${this.#what}: ${why}`)
  }
}

/** Tag, length and the parts one after another. */
export function encodeDer(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const content = Buffer.concat(parts)
  const length: number[] = []
  if (content.byteLength < 0x80) length.push(content.byteLength)
  else {
    for (let rest = content.byteLength; rest > 0; rest = Math.floor(rest / 0x100)) length.unshift(rest % 0x100)
    length.unshift(0x80 | length.length)
  }
  return Buffer.concat([Uint8Array.of(tag, ...length), content])
}

/** @param id like `2.5.4.3` */
export function encodeObjectId(id: string): Uint8Array {
  const [first = 0, second = 0, ...rest] = id.split('.').map(Number)
  const bytes = [first * 40 + second, ...rest].flatMap(arc => {
    const septets = [arc & 0x7f]
    for (let left = Math.floor(arc / 0x80); left > 0; left = Math.floor(left / 0x80)) {
      septets.unshift((left & 0x7f) | 0x80)
    }
    return septets
  })
  return encodeDer(OBJECT_ID, Uint8Array.from(bytes))
}
