import {
  type AbortOptions,
  type EventHandler,
  type Logger,
  type MessageStream,
  type StreamMessageEvent,
  type StreamMuxer,
  type StreamMuxerEvents,
  type StreamMuxerStatus,
  TypedEventEmitter
} from '@libp2p/interface'
import { Uint8ArrayList } from 'uint8arraylist'
import { ShoalError } from '../../../base/errors.ts'
import { clip } from '../../../base/views.ts'
import { type DirectStream, isDirectStream } from '../direct-stream.ts'
import type { UnnegotiatedOfConnection } from '../unnegotiated.ts'
import {
  encodeHeader,
  FLAG_ACK,
  FLAG_FIN,
  FLAG_RST,
  FLAG_SYN,
  type FrameHeader,
  frameInPlace,
  GO_AWAY_INTERNAL_ERROR,
  GO_AWAY_NORMAL,
  GO_AWAY_PROTOCOL_ERROR,
  HEADER_BYTES,
  TYPE_DATA,
  TYPE_GO_AWAY,
  TYPE_PING,
  TYPE_WINDOW
} from './frame.ts'
import { FrameDecoder } from './frame-decoder.ts'
import { Gathered } from './gathered.ts'
import { KeepAlive } from './keep-alive.ts'
import { GO_AWAY_GRACE_MS, MAX_QUEUED_CONTROL_FRAMES, SMALL_FRAME_BYTES } from './limits.ts'
import { PeerBudget } from './peer-budget.ts'
import { type DataFrame, type FrameSink, YamuxStream } from './stream.ts'
import { KEEP_ALIVE_MS, type YamuxInit } from './yamux-init.ts'

export const PROTOCOL = '/yamux/1.0.0'

/** Data up to here waits with other small frames. */
const MAX_GATHERED_DATA_BYTES = 4 * 1024

/**
 * Invariants: `#byNumber` holds exactly the streams that are not over; what was gathered goes out ahead of what comes
 * later, at the latest at the end of the turn of the event loop; after an error of the peer's nothing of it is read.
 */
export class YamuxMuxer
  extends TypedEventEmitter<StreamMuxerEvents<YamuxStream>>
  implements StreamMuxer<YamuxStream>, FrameSink
{
  readonly protocol = PROTOCOL
  status: StreamMuxerStatus = 'open'
  readonly #log: Logger
  readonly #connection: MessageStream
  readonly #direct: DirectStream | undefined
  readonly #maxInbound: number
  readonly #maxOutbound: number
  readonly #maxEarly: number
  readonly #maxWindowBytes: number
  readonly #decoder: FrameDecoder
  readonly #keepAlive: KeepAlive
  readonly #byNumber = new Map<number, YamuxStream>()
  /** The dialer's streams have odd numbers, the listener's even ones. */
  readonly #isDialer: boolean
  #nextNumber: number
  #inbound = 0
  #outbound = 0
  /** Where the payload that comes next belongs; undefined: nowhere. */
  #receiving: YamuxStream | undefined
  #finAfterPayload = false
  #isWritable = true
  #queuedControlFrames = 0
  readonly #budget = new PeerBudget()
  readonly #unnegotiated: UnnegotiatedOfConnection | undefined
  readonly #lengthPrefixed: ReadonlySet<string>
  readonly #onOffence: YamuxInit['onOffence']
  readonly #gathered = new Gathered(() => this.#write([]))
  #sentGoAway = false
  #gotGoAway = false
  /** Inbound ones that nobody listened for yet. */
  #early: YamuxStream[] = []

  constructor(connection: MessageStream, init: YamuxInit = {}) {
    super()
    this.#log = connection.log.newScope('yamux')
    this.#connection = connection
    this.#maxInbound = init.maxInboundStreams ?? 1_000
    this.#maxOutbound = init.maxOutboundStreams ?? 1_000
    this.#maxEarly = init.maxEarlyStreams ?? 10
    this.#unnegotiated = init.unnegotiated?.ofConnection()
    this.#lengthPrefixed = init.lengthPrefixed ?? new Set()
    this.#onOffence = init.onOffence
    this.#maxWindowBytes = init.maxWindowBytes ?? 16 * 1024 * 1024
    this.#isDialer = connection.direction === 'outbound'
    this.#nextNumber = this.#isDialer ? 1 : 2
    this.#decoder = new FrameDecoder({
      onHeader: header => this.#onHeader(header),
      onPayload: (chunk, isLast) => this.#onPayload(chunk, isLast)
    })
    this.#keepAlive = new KeepAlive(init.keepAliveMs ?? KEEP_ALIVE_MS, id =>
      this.sendControl(TYPE_PING, FLAG_SYN, 0, id)
    )
    connection.addEventListener('drain', () => this.#onDrain())
    connection.addEventListener('close', () => this.#onConnectionClosed())
    if (isDirectStream(connection)) {
      this.#direct = connection
      connection.onChunk = chunk => this.#receive([chunk])
      connection.roomForNext = () => {
        const { payloadLeft } = this.#decoder
        return payloadLeft === 0 ? undefined : clip(this.#receiving?.room(), payloadLeft)
      }
    } else {
      this.#direct = undefined
      connection.addEventListener('message', ({ data }: StreamMessageEvent) =>
        this.#receive(data instanceof Uint8Array ? [data] : data)
      )
    }
    this.#keepAlive.start()
  }

  /** Those that are not over; who waited longest for the connection to take data comes first. */
  get streams(): YamuxStream[] {
    return [...this.#byNumber.values()]
  }

  get isWritable(): boolean {
    return this.#isWritable
  }

  get roundTripMs(): number | undefined {
    return this.#keepAlive.roundTripMs
  }

  get unansweredMs(): number {
    return this.#keepAlive.unansweredMs
  }

  /** @throws ERR_UNREACHABLE once the connection is closing, ERR_LIMIT */
  async createStream(): Promise<YamuxStream> {
    if (this.status !== 'open' || this.#gotGoAway) {
      throw new ShoalError('ERR_UNREACHABLE', 'the connection is closing')
    }
    if (this.#outbound >= this.#maxOutbound) {
      throw new ShoalError('ERR_LIMIT', `more than ${this.#maxOutbound} streams on one connection`)
    }
    const stream = this.#newStream(this.#nextNumber, 'outbound')
    this.#nextNumber += 2
    queueMicrotask(() => stream.announce())
    return stream
  }

  sendData({ stream, flags, chunks, byteLength, onConsumed, headroom = 0 }: DataFrame): void {
    const fields = { type: TYPE_DATA, flags, stream, length: byteLength }
    const [only] = chunks
    const isAlone = chunks.length === 1 && only !== undefined && this.#gathered.isEmpty
    const frame = isAlone && headroom >= HEADER_BYTES ? [frameInPlace(fields, only)] : [encodeHeader(fields), ...chunks]
    if (byteLength > MAX_GATHERED_DATA_BYTES) this.#write(frame, onConsumed)
    else {
      this.#gathered.add(onConsumed === undefined ? frame : frame.map(part => part.slice()), HEADER_BYTES + byteLength)
      onConsumed?.()
    }
  }

  sendControl(type: number, flags: number, stream: number, length: number): void {
    if (!this.#isWritable) {
      this.#queuedControlFrames += 1
      if (this.#queuedControlFrames > MAX_QUEUED_CONTROL_FRAMES) {
        this.#fail(new ShoalError('ERR_LIMIT', 'yamux: the peer asks for answers and does not read them'))
        return
      }
    }
    const header = encodeHeader({ type, flags, stream, length })
    this.#gathered.add([header], header.byteLength)
  }

  /** Closes our half of every stream, then says goodbye. */
  async close(options: AbortOptions = {}): Promise<void> {
    if (this.status !== 'open') return
    this.status = 'closing'
    try {
      await Promise.all(this.streams.map(stream => stream.close(options)))
      this.#goAway(GO_AWAY_NORMAL)
    } finally {
      this.#stop()
    }
  }

  abort(err: Error): void {
    if (this.status === 'closed') return
    this.status = 'closing'
    for (const stream of this.streams) stream.abort(err)
    const isPeers = err instanceof ShoalError && err.fault === 'peer'
    this.#goAway(isPeers ? GO_AWAY_PROTOCOL_ERROR : GO_AWAY_INTERNAL_ERROR)
    this.#stop()
  }

  override addEventListener<Type extends keyof StreamMuxerEvents<YamuxStream>>(
    type: Type,
    listener: EventHandler<StreamMuxerEvents<YamuxStream>[Type]> | null,
    options?: boolean | AddEventListenerOptions
  ): void {
    super.addEventListener(type, listener, options)
    if (type !== 'stream' || this.#early.length === 0) return
    const early = this.#early
    this.#early = []
    // the listener's owner may not be whole yet
    queueMicrotask(() => {
      for (const stream of early) this.safeDispatchEvent('stream', { detail: stream })
    })
  }

  #receive(chunks: Iterable<Uint8Array>): void {
    try {
      for (const chunk of chunks) this.#decoder.push(chunk)
    } catch (err) {
      this.#fail(err instanceof Error ? err : new ShoalError('ERR_PROTOCOL', String(err)))
    }
  }

  #fail(err: Error): void {
    this.#decoder.end()
    if (err instanceof ShoalError && err.fault === 'peer') this.#onOffence?.(this.#connection)
    this.abort(err)
    // a reset would overtake the reason
    setTimeout(() => this.#connection.abort(err), GO_AWAY_GRACE_MS).unref()
  }

  #onHeader(header: FrameHeader): void {
    this.#receiving = undefined
    const isSmall = header.type !== TYPE_DATA || header.length < SMALL_FRAME_BYTES
    if (isSmall) this.#budget.sentSmallFrame()
    switch (header.type) {
      case TYPE_PING:
        this.#onPing(header)
        break
      case TYPE_GO_AWAY:
        this.#onGoAway(header.length)
        break
      default:
        this.#onStreamFrame(header)
    }
  }

  #onStreamFrame({ type, flags, stream: number, length }: FrameHeader): void {
    if (number === 0) throw new ShoalError('ERR_PROTOCOL', 'yamux: a stream frame for the session')
    if ((flags & FLAG_SYN) !== 0) this.#onSyn(number)
    const stream = this.#byNumber.get(number)
    // It may be over on our side alone: what was on its way is thrown away.
    if (stream === undefined) return
    if ((flags & FLAG_RST) !== 0) {
      const wasNameless = stream.isNameless
      stream.onRemoteReset()
      if (wasNameless) this.#budget.resetNamelessStream()
      return
    }
    const fin = (flags & FLAG_FIN) !== 0
    if (type === TYPE_WINDOW) {
      stream.onGranted(length)
      if (fin) stream.onRemoteCloseWrite()
      return
    }
    if (!stream.onFrame(length)) this.#budget.resetNamelessStream()
    this.#receiving = stream
    this.#finAfterPayload = fin && length > 0
    if (fin && length === 0) stream.onRemoteCloseWrite()
  }

  #onPayload(chunk: Uint8Array, isLast: boolean): void {
    const stream = this.#receiving
    if (stream === undefined) return
    stream.onPayload(chunk)
    if (isLast && this.#finAfterPayload) stream.onRemoteCloseWrite()
  }

  #onSyn(number: number): void {
    if (this.#isDialer !== (number % 2 === 0)) {
      throw new ShoalError('ERR_PROTOCOL', `yamux: the peer opened stream ${number}, which is ours to open`)
    }
    if (this.#byNumber.has(number)) return
    this.#budget.openedStream()
    const isOneTooMany = this.#unnegotiated?.isFull === true
    if (isOneTooMany) this.#budget.refusedStream()
    if (isOneTooMany || this.#sentGoAway || this.#inbound >= this.#maxInbound) {
      this.sendControl(TYPE_WINDOW, FLAG_RST, number, 0)
      return
    }
    const stream = this.#newStream(number, 'inbound')
    this.#unnegotiated?.came(stream)
    // with what is answered in this turn, else alone: the other side counts streams that nobody took
    setImmediate(() => stream.announce())
    if (this.listenerCount('stream') > 0) {
      this.safeDispatchEvent('stream', { detail: stream })
      return
    }
    this.#early.push(stream)
    if (this.#early.length > this.#maxEarly) throw new ShoalError('ERR_LIMIT', 'yamux: too many streams at once')
  }

  #newStream(number: number, direction: 'inbound' | 'outbound'): YamuxStream {
    const stream = new YamuxStream({
      id: `${number}`,
      number,
      direction,
      sink: this,
      isBounded: direction === 'inbound' && this.#unnegotiated !== undefined,
      lengthPrefixed: this.#lengthPrefixed,
      maxWindowBytes: this.#maxWindowBytes,
      log: this.#log
    })
    this.#byNumber.set(number, stream)
    if (direction === 'inbound') this.#inbound += 1
    else this.#outbound += 1
    stream.addEventListener(
      'close',
      () => {
        this.#byNumber.delete(number)
        if (direction === 'inbound') this.#inbound -= 1
        else this.#outbound -= 1
      },
      { once: true }
    )
    return stream
  }

  #onPing({ flags, length }: FrameHeader): void {
    if (flags === FLAG_SYN) {
      this.#budget.pinged()
      this.sendControl(TYPE_PING, FLAG_ACK, 0, length)
    } else if (flags !== FLAG_ACK) throw new ShoalError('ERR_PROTOCOL', `yamux: a ping with flags ${flags}`)
    else if (!this.#keepAlive.answered(length)) throw new ShoalError('ERR_PROTOCOL', 'yamux: nobody pinged')
  }

  #onGoAway(reason: number): void {
    this.#gotGoAway = true
    if (reason === GO_AWAY_NORMAL) this.#onConnectionClosed()
    else this.abort(new ShoalError('ERR_UNREACHABLE', `yamux: the peer ended the connection with reason ${reason}`))
  }

  #goAway(reason: number): void {
    if (this.#sentGoAway) return
    this.#sentGoAway = true
    this.sendControl(TYPE_GO_AWAY, 0, 0, reason)
    this.#gathered.flush()
  }

  #onConnectionClosed(): void {
    this.status = 'closing'
    for (const stream of this.streams) stream.onTransportClosed()
    this.#stop()
  }

  #stop(): void {
    this.#keepAlive.stop()
    this.#gathered.flush()
    this.status = 'closed'
  }

  #write(chunks: readonly Uint8Array[], onConsumed?: () => void): void {
    const all = this.#gathered.isEmpty ? chunks : [...this.#gathered.take(), ...chunks]
    if (this.status === 'closed' || this.#connection.status !== 'open') return
    try {
      const takesMore =
        this.#direct === undefined
          ? this.#connection.send(new Uint8ArrayList(...all))
          : this.#direct.sendChunks(all, onConsumed)
      if (!takesMore) this.#isWritable = false
    } catch (err) {
      // a layer below is closing already, which that above it does not show
      this.#log('could not write: %e', err)
      this.#isWritable = false
    }
  }

  #onDrain(): void {
    this.#isWritable = true
    this.#queuedControlFrames = 0
    for (const stream of this.streams) {
      if (!this.#isWritable) return
      stream.onMuxerDrain()
      // it had its turn: the others come first next time
      if (!this.#isWritable && this.#byNumber.delete(stream.number)) this.#byNumber.set(stream.number, stream)
    }
  }
}
