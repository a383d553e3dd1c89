/** A DAG out of any bytes: an input is a little program whose steps make leaves, files, folders, shards and links. */
import { createHash } from 'node:crypto'
import type { CID } from 'multiformats/cid'
import { cidOf, DAG_PB, RAW } from '../../src/content/cid.ts'
import { InputReader } from '../input-reader.ts'
import { varint } from '../mutator.ts'
import { utf8 } from '../target.ts'

const MAX_STEPS = 80
const MAX_BLOCK_BYTES = 64 * 1024
const NAMES = [
  'a',
  'b',
  'c',
  '..',
  '.',
  '',
  'a/b',
  '\0',
  'A',
  'a\u0301',
  '\u202e',
  'x'.repeat(255),
  'x'.repeat(256),
  'con',
  '\n'
] as const
const TARGETS = ['a', '../a', '/etc/passwd', '..', 'b/../../c', '', 'a\0', 'b'] as const

interface Made {
  readonly codec: typeof RAW | typeof DAG_PB
  readonly digest: Uint8Array
  readonly tsize: number
  readonly fileSize: number
}

export interface Dag {
  /** What the last step made; undefined for no steps. */
  readonly root: CID | undefined
  /** By digest in hex. Some that links name are not there. */
  readonly blocks: ReadonlyMap<string, Uint8Array>
}

export function buildDag(input: Uint8Array): Dag {
  const builder = new DagBuilder(new InputReader(input))
  builder.run()
  const { last } = builder
  return { root: last === undefined ? undefined : cidOf(last.codec, last.digest), blocks: builder.blocks }
}

class DagBuilder {
  readonly blocks = new Map<string, Uint8Array>()
  readonly #input: InputReader
  readonly #made: Made[] = []

  constructor(input: InputReader) {
    this.#input = input
  }

  get last(): Made | undefined {
    return this.#made.at(-1)
  }

  run(): void {
    for (let step = 0; step < MAX_STEPS && !this.#input.isDone; step++) this.#step()
  }

  #step(): void {
    const input = this.#input
    switch (input.below(8)) {
      case 0:
        this.#leaf(input.pick([1, 0, 262_144, 1_048_576, 2_097_152, 2_097_153, 5]))
        return
      case 1:
        this.#node(unixfs(1), this.#links(NAMES), 0)
        return
      case 2:
        this.#file(input.bytes(20), 1)
        return
      // a bomb: the same links many times over
      case 3:
        this.#file(new Uint8Array(0), input.byte())
        return
      case 4:
        this.#node(
          unixfs(5, field(6, input.pick([256, 8, 16, 7, 1024, 2048])), field(5, 0x22)),
          this.#links(['00a', '0Fb', '00', '01', 'FF', '0', 'zz', '000', '3FFb', '10'] as const),
          0
        )
        return
      case 5:
        this.#node(unixfs(4, bytesField(2, utf8(input.pick(TARGETS)))), [], 0)
        return
      case 6:
        this.#node(input.bytes(), this.#links(NAMES), input.u16())
        return
      default:
        this.#broken()
    }
  }

  #leaf(size: number): void {
    const digest = createHash('sha256')
      .update(size === 0 ? '' : `leaf ${this.#input.byte()}`)
      .digest()
    this.#made.push({ codec: RAW, digest, tsize: size, fileSize: size })
  }

  #file(data: Uint8Array, copies: number): void {
    const parts = this.#refs()
    const many = Array.from({ length: Math.min(copies, 800 / Math.max(1, parts.length)) }, () => parts).flat()
    const skew = this.#input.pick([0, 0, 0, 1, -1])
    const sizes = many.map(part => Math.max(0, part.fileSize + skew))
    const sum = sizes.reduce((total, size) => total + size, data.byteLength)
    const fields = [bytesField(2, data), field(3, sum), ...sizes.map(size => field(4, size))]
    this.#node(
      unixfs(2, ...(data.byteLength === 0 ? fields.slice(1) : fields)),
      many.map(part => link(part, '', part.tsize)),
      sum
    )
  }

  /** The last node with a byte changed. */
  #broken(): void {
    const block = [...this.blocks.values()].at(-1)?.slice()
    if (block === undefined || block.byteLength === 0) return
    const at = this.#input.u16() % block.byteLength
    block[at] = (block[at] ?? 0) ^ this.#input.byte()
    this.#add(block, this.last?.fileSize ?? 0)
  }

  #links(names: readonly [string, ...string[]]): Uint8Array[] {
    const refs = this.#refs()
    const odd = this.#input.below(8) === 0 ? this.#input.bytes(16) : undefined
    return refs.map((ref, i) => link(ref, odd ?? this.#input.pick(names), i % 7 === 6 ? undefined : ref.tsize))
  }

  /** Some of what was made, and now and then what was not. */
  #refs(): Made[] {
    const refs: Made[] = []
    for (let n = this.#input.below(6); n > 0; n--) {
      const back = this.#input.byte()
      const made = this.#made.at(-1 - (back % Math.max(1, this.#made.length)))
      if (made !== undefined && back < 250) refs.push(made)
      else refs.push({ codec: DAG_PB, digest: new Uint8Array(32).fill(back), tsize: back, fileSize: back })
    }
    return refs
  }

  #node(data: Uint8Array, links: readonly Uint8Array[], fileSize: number): void {
    this.#add(Buffer.concat([...links, bytesField(1, data)]), fileSize)
  }

  #add(block: Uint8Array, fileSize: number): void {
    if (block.byteLength > MAX_BLOCK_BYTES) return
    const digest = createHash('sha256').update(block).digest()
    this.blocks.set(digest.toString('hex'), new Uint8Array(block))
    this.#made.push({ codec: DAG_PB, digest, tsize: block.byteLength + fileSize, fileSize })
  }
}

function unixfs(type: number, ...fields: Uint8Array[]): Uint8Array {
  return Buffer.concat([field(1, type), ...fields])
}

function link({ codec, digest }: Made, name: string | Uint8Array, tsize: number | undefined): Uint8Array {
  const cid = Buffer.concat([Uint8Array.of(1, codec, 0x12, 0x20), digest])
  const fields = [bytesField(1, cid), bytesField(2, typeof name === 'string' ? utf8(name) : name)]
  return bytesField(2, Buffer.concat(tsize === undefined ? fields : [...fields, field(3, tsize)]))
}

function field(number: number, value: number): Uint8Array {
  return Buffer.concat([varint(number * 8), varint(value)])
}

function bytesField(number: number, bytes: Uint8Array): Uint8Array {
  return Buffer.concat([varint(number * 8 + 2), varint(bytes.byteLength), bytes])
}

/** Programs for a file of parts, a folder of files, a shard, a bomb of bombs, a deep chain, a symbolic link. */
export function dagSeeds(): Uint8Array[] {
  const leaf = [0, 2, 1]
  const file = [2, 0, 2, 0, 0, 0]
  const folder = [1, 2, 0, 1, 1, 0, 1]
  const bomb = [3, 255, 1, 0, 0]
  return [
    [...leaf, ...file],
    [...leaf, ...leaf, ...file, ...folder],
    [...leaf, 4, 0, 2, 0, 0, 1, 0, 1],
    [...leaf, ...bomb, ...bomb],
    [...leaf, ...bomb, ...bomb, ...bomb],
    [...leaf, ...Array.from({ length: 30 }, () => [1, 1, 0, 1, 0]).flat()],
    [5, 0, 1, 1, 0, 1, 0],
    [2, 5, 104, 101, 108, 108, 111, 0, 0],
    [...leaf, ...file, 7, 0, 10, 4]
  ].map(bytes => Uint8Array.from(bytes))
}
