/** Changes inputs at random, from a seed: bits, interesting numbers, chunks, splices of two inputs, dictionary words. */
import type { Random } from '../src/base/random.ts'

const NUMBERS = [0, 1, 2, 7, 8, 16, 31, 32, 63, 64, 100, 127, 128, 255, 256, 511, 512, 1023, 1024, 4095, 4096, 32_767]
  .concat([32_768, 65_535, 65_536, 1_048_575, 1_048_576, 2_097_152, 2_228_224, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff])
  .concat([2 ** 53 - 1, 2 ** 53, 2 ** 63])
const MAX_STACKED = 8
const MAX_CHUNK_BYTES = 64

export interface MutatorInit {
  readonly random: Random
  readonly dictionary: readonly Uint8Array[]
  readonly maxBytes: number
}

export class Mutator {
  readonly #init: MutatorInit

  constructor(init: MutatorInit) {
    this.#init = init
  }

  /** A new input; `input` stays as it is. @param other one to splice with */
  mutate(input: Uint8Array, other: Uint8Array): Uint8Array {
    const { random, maxBytes } = this.#init
    let bytes: Uint8Array = input.slice()
    const times = 1 + random.below(random.below(MAX_STACKED) + 1)
    for (let i = 0; i < times; i++) bytes = this.#change(bytes, other)
    return bytes.subarray(0, maxBytes)
  }

  #change(bytes: Uint8Array, other: Uint8Array): Uint8Array {
    const { random, dictionary } = this.#init
    const at = random.below(bytes.byteLength + 1)
    switch (random.below(11)) {
      case 0:
      case 1:
        return this.#put(bytes, at, Uint8Array.of((bytes[at] ?? 0) ^ (1 << random.below(8))))
      case 2:
        return this.#put(bytes, at, Uint8Array.of(random.below(256)))
      case 3:
        return this.#put(bytes, at, Uint8Array.of((bytes[at] ?? 0) + random.below(33) - 16))
      case 4:
        return this.#put(bytes, at, this.#number())
      case 5:
        return splice(bytes, at, 0, this.#number())
      case 6:
        return splice(bytes, at, 1 + random.below(MAX_CHUNK_BYTES), new Uint8Array(0))
      case 7:
        return splice(bytes, at, 0, this.#chunk(bytes))
      case 8: {
        const cut = random.below(other.byteLength + 1)
        return splice(bytes, at, bytes.byteLength, other.subarray(cut))
      }
      case 9:
        return splice(bytes, at, random.below(MAX_CHUNK_BYTES), this.#chunk(other))
      default: {
        const word = dictionary[random.below(dictionary.length)] ?? this.#number()
        return random.below(2) === 0 ? splice(bytes, at, 0, word) : this.#put(bytes, at, word)
      }
    }
  }

  /** Over what is there, longer where it does not fit. */
  #put(bytes: Uint8Array, at: number, part: Uint8Array): Uint8Array {
    return splice(bytes, at, part.byteLength, part)
  }

  #chunk(bytes: Uint8Array): Uint8Array {
    const { random } = this.#init
    const from = random.below(bytes.byteLength + 1)
    return bytes.subarray(from, from + 1 + random.below(MAX_CHUNK_BYTES))
  }

  /** An interesting number as a varint, as big or little endian, or in decimal. */
  #number(): Uint8Array {
    const { random } = this.#init
    const number = NUMBERS[random.below(NUMBERS.length)] ?? 0
    const form = random.below(4)
    if (form === 0) return varint(number)
    if (form === 1) return new TextEncoder().encode(String(number))
    const bytes = new Uint8Array(number > 0xffff_ffff ? 8 : number > 0xffff ? 4 : number > 0xff ? 2 : 1)
    let rest = number
    for (let i = bytes.byteLength - 1; i >= 0; i--) {
      bytes[i] = rest % 256
      rest = Math.floor(rest / 256)
    }
    return form === 2 ? bytes : bytes.reverse()
  }
}

export function varint(number: number): Uint8Array {
  const bytes: number[] = []
  let rest = number
  while (rest >= 128) {
    bytes.push((rest % 128) | 0x80)
    rest = Math.floor(rest / 128)
  }
  bytes.push(rest)
  return Uint8Array.from(bytes)
}

function splice(bytes: Uint8Array, at: number, removed: number, part: Uint8Array): Uint8Array {
  const rest = bytes.subarray(Math.min(at + removed, bytes.byteLength))
  const result = new Uint8Array(at + part.byteLength + rest.byteLength)
  result.set(bytes.subarray(0, at))
  result.set(part, at)
  result.set(rest, at + part.byteLength)
  return result
}
