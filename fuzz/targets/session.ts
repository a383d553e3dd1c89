/** A hostile peer: any frames, in any order, in any pieces, over streams that take data or do not. */
import { createHash } from 'node:crypto'
import { CID } from 'multiformats/cid'
import type { Clock } from '../../src/base/clock.ts'
import { ShoalError } from '../../src/base/errors.ts'
import { silentLogger } from '../../src/base/log.ts'
import { seededRandom } from '../../src/base/random.ts'
import { Bitfield } from '../../src/content/bitfield.ts'
import { cidOf, DAG_PB } from '../../src/content/cid.ts'
import { ManifestAssembler } from '../../src/content/manifest-assembler.ts'
import { PieceMap } from '../../src/content/piece-map.ts'
import type { PeerStream, PieceStorage } from '../../src/transfer/io/seams.ts'
import { SwarmHost } from '../../src/transfer/io/swarm-host.ts'
import { decodeMessage } from '../../src/transfer/protocol/codec.ts'
import { dataFrameHeader, encodeControlFrame, FrameDecoder } from '../../src/transfer/protocol/frame.ts'
import type { Message } from '../../src/transfer/protocol/messages.ts'
import { InputReader } from '../input-reader.ts'
import { claim, type Target } from '../target.ts'
import { exampleMessages } from './example-messages.ts'
import { buildDag, dagSeeds } from './hostile-dag.ts'

const SIZES = [60_000, 5_000, 4_000, 0, 20_000, 100, 100, 3_000]
const BYTES = new Uint8Array(SIZES.reduce((a, b) => a + b, 0)).map((_, i) => (i * 31) % 251)
const PIECES = mapPieces()
const DAG = buildDag(dagSeeds()[1] ?? new Uint8Array(0))
const NODES = [...DAG.blocks.values()].reverse()
const ROOT_CID = DAG.root ?? cidOf(DAG_PB, new Uint8Array(32))
const ROOT = ROOT_CID.bytes
const MAX_STEPS = 150
const MAX_STREAMS = 6

function mapPieces(): PieceMap {
  const digests: Uint8Array[] = []
  let at = 0
  for (const size of SIZES) {
    digests.push(
      createHash('sha256')
        .update(BYTES.subarray(at, at + size))
        .digest()
    )
    at += size
  }
  return new PieceMap(new Uint8Array(Buffer.concat(digests)), SIZES)
}

class TestStorage implements PieceStorage {
  readonly pieces = PIECES
  readonly nodeCount = NODES.length
  readonly have: Bitfield
  onLost: ((pieces: readonly number[]) => void) | undefined

  constructor(full: boolean) {
    this.have = full ? Bitfield.full(SIZES.length) : new Bitfield(SIZES.length)
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    claim(offset >= 0 && offset + length <= BYTES.byteLength && length > 0, `a read of ${length} at ${offset}`)
    return BYTES.slice(offset, offset + length)
  }

  async write(first: number, count: number, buffers: readonly Uint8Array[]): Promise<void> {
    const right = BYTES.subarray(PIECES.offset(first), PIECES.offset(first + count))
    claim(Buffer.compare(Buffer.concat(buffers), right) === 0, 'false bytes were written')
    for (let piece = first; piece < first + count; piece++) this.have.add(piece)
  }

  async readNode(index: number): Promise<Uint8Array> {
    const node = NODES[index]
    claim(node !== undefined, `node ${index}`)
    return node
  }
}

/** The peer's end is the test; what our side sends is decoded and counted. */
class HostileStream implements PeerStream {
  readonly peerId: string
  readonly addr = '/ip4/192.0.2.9/tcp/4160'
  readonly outbound: boolean
  onData: ((chunk: Uint8Array) => void) | undefined
  onDrain: (() => void) | undefined
  onClose: ((err?: Error) => void) | undefined
  /** Requests of ours that it has not answered. */
  readonly asked: Array<{ id: number; offset: number; length: number }> = []
  isClosed = false
  /** Does not read. */
  isStuck = false
  readonly #decoder: FrameDecoder

  constructor(peerId: string, outbound: boolean) {
    this.peerId = peerId
    this.outbound = outbound
    this.#decoder = new FrameDecoder({
      onControl: bytes => {
        const message = decodeMessage(bytes)
        claim(message !== undefined, 'we sent a message of no kind')
        if (message.type === 'request') this.asked.push(message)
        claim(
          message.type !== 'goodbye' || message.code !== 'other',
          `a bug ended a session: ${JSON.stringify(message)}`
        )
      },
      onData: () => {}
    })
  }

  send(chunks: readonly Uint8Array[]): boolean {
    if (this.isClosed) throw new ShoalError('ERR_UNREACHABLE', 'the stream is closed')
    for (const chunk of chunks) {
      this.#decoder.push(chunk)
    }
    return !this.isStuck
  }

  drain(): void {
    this.isStuck = false
    if (!this.isClosed) this.onDrain?.()
  }

  async close(): Promise<void> {
    this.#end(undefined)
  }

  abort(err: Error): void {
    this.#end(err)
  }

  #end(err: Error | undefined): void {
    if (this.isClosed) return
    this.isClosed = true
    if (err === undefined) this.onClose?.()
    else this.onClose?.(err)
  }
}

const ROLES = ['seeder', 'leecher', 'fetching the manifest'] as const

class Play {
  readonly #input: InputReader
  readonly #clock: Clock & { ms: number } = {
    ms: 1_000,
    now: () => this.#clock.ms,
    wallMs: () => 1_700_000_000_000 + this.#clock.ms
  }
  readonly #streams: HostileStream[] = []
  readonly #host: SwarmHost
  readonly #role: (typeof ROLES)[number]

  constructor(input: Uint8Array) {
    this.#input = new InputReader(input)
    this.#role = this.#input.pick(ROLES)
    this.#host = new SwarmHost({
      selfId: 'us',
      dialer: { dial: async peer => this.#open(peer.id, true) },
      addrsOf: () => ['/ip4/192.0.2.1/tcp/1'],
      clock: this.#clock,
      random: seededRandom(1),
      log: silentLogger
    })
  }

  async run(): Promise<void> {
    const runner = this.#host.open(ROOT)
    if (this.#role === 'fetching the manifest') {
      runner.fetchManifest(new ManifestAssembler(CID.decode(ROOT)))
      runner.events.on('manifest:completed', () => runner.attach(new TestStorage(false), { fetch: true }))
    } else runner.attach(new TestStorage(this.#role === 'seeder'), { fetch: this.#role !== 'seeder' })
    this.#accept()
    try {
      for (let step = 0; step < MAX_STEPS && !this.#input.isDone; step++) {
        this.#step()
        if (step % 4 === 0) await turn()
      }
      await turn()
      for (const stream of this.#streams) stream.drain()
      await turn()
    } finally {
      await this.#host.stop()
    }
    claim(
      this.#streams.every(stream => stream.isClosed),
      'a stream outlives its host'
    )
  }

  #step(): void {
    const input = this.#input
    const stream = this.#streams[this.#streams.length === 1 ? 0 : input.below(Math.max(1, this.#streams.length))]
    if (stream === undefined) return
    switch (input.below(16)) {
      case 0:
        stream.isStuck = true
        return
      case 1:
        stream.drain()
        return
      case 2:
        this.#clock.ms += input.pick([1, 100, 1_000, 10_000, 60_000])
        for (const swarm of this.#host.swarms) swarm.tick()
        return
      case 3:
        if (this.#streams.length < MAX_STREAMS) this.#accept()
        return
      case 4:
        if (input.below(4) === 0) stream.abort(new ShoalError('ERR_UNREACHABLE', 'gone'))
        return
      case 5:
        this.#give(stream, control(input.rest().subarray(0, 200)))
        return
      case 6:
        this.#answer(stream)
        return
      case 7:
        this.#give(stream, dataFrame(input.u16(), input.bytes()))
        return
      case 8:
        this.#give(stream, input.bytes())
        return
      case 9: {
        // a flood of the same message
        const frame = encodeControlFrame(this.#message())
        for (let n = input.below(4) * 200; n > 0; n--) this.#give(stream, frame)
        return
      }
      case 10:
        this.#give(stream, encodeControlFrame(hello(input.below(3))))
        return
      default:
        this.#give(stream, encodeControlFrame(this.#message()))
    }
  }

  /** What was asked for: right, false, cut short or too much. */
  #answer(stream: HostileStream): void {
    const [request] = stream.asked.splice(this.#input.below(Math.max(1, stream.asked.length)), 1)
    if (request === undefined) return
    const bytes = BYTES.slice(request.offset, request.offset + request.length)
    const kind = this.#input.below(6)
    if (kind === 1) bytes[0] = (bytes[0] ?? 0) ^ 1
    const part =
      kind === 2 ? bytes.subarray(0, bytes.byteLength >> 1) : kind === 3 ? Buffer.concat([bytes, bytes]) : bytes
    if (part.byteLength > 0) this.#give(stream, dataFrame(request.id, part))
  }

  #message(): Message {
    const input = this.#input
    const piece = () => input.below(SIZES.length + 1)
    const run = () => ({ first: piece(), count: 1 + input.below(4) })
    switch (input.below(10)) {
      case 0:
        return {
          type: 'request',
          id: input.below(40),
          offset: input.below(BYTES.byteLength + 9),
          length: 1 + input.u16()
        }
      case 1:
        return { type: 'have', runs: [run()], coming: [piece()] }
      case 2:
        return { type: 'offer', pieces: [piece(), piece(), piece()] }
      case 3:
        return { type: 'want', urgent: [run()], ahead: [run(), run()], only: input.below(2) === 1 }
      case 4:
        return { type: 'nodeRequest', first: input.below(6), count: 1 + input.below(9) }
      case 5: {
        const first = input.below(NODES.length)
        const blocks = NODES.slice(first, first + 1 + input.below(3)).map(node => node.slice())
        const [block] = blocks
        if (input.below(4) === 0 && block?.[0] !== undefined) block[0] ^= 1
        return { type: 'nodes', first, total: NODES.length, blocks }
      }
      case 6:
        return { type: 'cancel', id: input.below(40) }
      default: {
        const examples = exampleMessages(ROOT)
        return examples[input.below(examples.length)] ?? { type: 'interested' }
      }
    }
  }

  #accept(): void {
    this.#host.accept(this.#open(`peer${this.#input.below(4)}`, false))
  }

  #open(peerId: string, outbound: boolean): HostileStream {
    const stream = new HostileStream(peerId, outbound)
    this.#streams.push(stream)
    return stream
  }

  /** Now and then in two parts. */
  #give(stream: HostileStream, bytes: Uint8Array): void {
    const cut = this.#input.below(4) === 0 ? this.#input.below(bytes.byteLength + 1) : bytes.byteLength
    for (const part of [bytes.subarray(0, cut), bytes.subarray(cut)]) {
      if (part.byteLength > 0 && !stream.isClosed) stream.onData?.(part.slice())
    }
  }
}

/** Hashing and writing end within a turn: the storage is in memory. */
async function turn(): Promise<void> {
  await new Promise<void>(resolve => setImmediate(resolve))
}

function hello(kind: number): Message {
  const have = kind === 0 ? ({ kind: 'all' } as const) : kind === 1 ? ({ kind: 'none' } as const) : undefined
  const bits = { kind: 'bitfield', bytes: Uint8Array.of(0b1011_0110) } as const
  return {
    type: 'hello',
    root: ROOT,
    features: kind & 1,
    manifest: kind !== 1,
    have: have ?? bits,
    maxRequests: 16,
    maxRequestBytes: 4 << 20
  }
}

function control(body: Uint8Array): Uint8Array {
  return Buffer.concat([u32(1 + body.byteLength), Uint8Array.of(0), body])
}

function dataFrame(id: number, payload: Uint8Array): Uint8Array {
  return Buffer.concat([dataFrameHeader(id, payload.byteLength), payload])
}

function u32(value: number): Uint8Array {
  const bytes = new Uint8Array(4)
  new DataView(bytes.buffer).setUint32(0, value)
  return bytes
}

export const sessions: Target = {
  name: 'sessions',
  claims:
    'a session ends, and nothing else does: no exception, no false byte written, no answer that cannot be read, nothing left open',
  maxBytes: 1_024,
  seeds: () =>
    ROLES.map((_, role) =>
      Uint8Array.from([role, 0, 10, 0, 1, ...Array.from({ length: 120 }, (_, i) => (i * 7 + role) % 256)])
    ).concat(
      Uint8Array.from([0, 0, 10, 0, 1, 0, 9, 0, 5, 0, 0, 0, 0, 0, 9, 3, 1, 9, 0, 5, 0, 0, 0, 0, 0, 9, 3, 1]),
      Uint8Array.from([1, 0, 10, 0, 1, 6, 0, 0, 1, 6, 0, 1, 1, 2, 2, 6, 0, 0, 1]),
      Uint8Array.from([2, 0, 10, 0, 1, 11, 5, 0, 2, 1, 1, 2, 2, 11, 5, 0, 2, 0, 1])
    ),
  run: input => new Play(input).run()
}
