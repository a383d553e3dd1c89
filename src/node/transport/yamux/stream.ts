import type { AbortOptions, MessageStreamDirection } from '@libp2p/interface'
import { AbstractStream, type AbstractStreamInit, type SendResult } from '@libp2p/utils'
import { Uint8ArrayList } from 'uint8arraylist'
import { ShoalError } from '../../../base/errors.ts'
import { LengthGuard } from '../../../base/length-guard.ts'
import type { DirectStream } from '../direct-stream.ts'
import { MAX_UNNEGOTIATED_BYTES } from '../unnegotiated.ts'
import { FLAG_ACK, FLAG_FIN, FLAG_RST, FLAG_SYN, INITIAL_WINDOW_BYTES, MAX_U32, TYPE_WINDOW } from './frame.ts'
import { ReceiveWindow } from './receive-window.ts'

export interface DataFrame {
  readonly stream: number
  readonly flags: number
  readonly chunks: readonly Uint8Array[]
  /** Of all chunks. */
  readonly byteLength: number
  /** See DirectStream. */
  readonly onConsumed?: (() => void) | undefined
  readonly headroom?: number | undefined
}

/** What a stream needs of its muxer. */
export interface FrameSink {
  /** Whether the connection takes data now. */
  readonly isWritable: boolean
  /** Of one direction and back; undefined while it was not measured. */
  readonly roundTripMs: number | undefined
  sendData(frame: DataFrame): void
  sendControl(type: number, flags: number, stream: number, length: number): void
}

export interface YamuxStreamInit extends AbstractStreamInit {
  number: number
  direction: MessageStreamDirection
  sink: FrameSink
  maxWindowBytes: number
  /** Whether bytes that come before it has a protocol are bounded. */
  isBounded: boolean
  /** Protocols whose messages each have their length, an unsigned varint, before them. */
  lengthPrefixed: ReadonlySet<string>
}

/** So much that is beyond the window is copied, and sent when there is more: a swarm's frame is its first window and 9. */
const MAX_COPIED_BYTES = 4 * 1024

/**
 * One stream of a connection. Bytes that come while someone listens and none wait go straight on, by `onChunk` or as a
 * `message`; bytes to send that the other side's window and the connection take go straight out. Only the rest touches
 * the buffers of the base class.
 *
 * Invariants: never more than the other side's window is sent; a byte is granted anew once somebody took it (or it was
 * thrown away), and only once, also when a protocol negotiation pushes it back.
 */
export class YamuxStream extends AbstractStream implements DirectStream {
  readonly number: number
  readonly #sink: FrameSink
  readonly #window: ReceiveWindow
  #sendWindow = INITIAL_WINDOW_BYTES
  /** Flags that the next frame carries. */
  #flags: number
  /** Bytes at the head of the read buffer that were taken once and pushed back. */
  #pushedBackBytes = 0
  readonly #isBounded: boolean
  /** That came before it had a protocol. */
  #namelessBytes = 0
  readonly #lengthPrefixed: ReadonlySet<string>
  /** While it has no protocol yet, and while that is one of those. */
  #lengths: LengthGuard | undefined = new LengthGuard()
  roomForNext: (() => Uint8Array | undefined) | undefined
  #onChunk: ((chunk: Uint8Array) => void) | undefined

  constructor(init: YamuxStreamInit) {
    super({ ...init, maxReadBufferLength: Number.POSITIVE_INFINITY })
    this.number = init.number
    this.#sink = init.sink
    this.#isBounded = init.isBounded
    this.#lengthPrefixed = init.lengthPrefixed
    this.#flags = init.direction === 'outbound' ? FLAG_SYN : FLAG_ACK
    this.#window = new ReceiveWindow(init.maxWindowBytes, performance.now())
  }

  /** Tells the other side of the stream, unless a frame has done so. */
  announce(): void {
    if (this.#flags !== 0 && this.status === 'open') this.#sendControl(0, 0)
  }

  /** Whether it should have a protocol and has none. */
  get isNameless(): boolean {
    return this.#isBounded && this.protocol === ''
  }

  get onChunk(): ((chunk: Uint8Array) => void) | undefined {
    return this.#onChunk
  }

  set onChunk(handler: ((chunk: Uint8Array) => void) | undefined) {
    this.#onChunk = handler
    if (handler !== undefined && this.readBuffer.byteLength > 0) queueMicrotask(() => this.dispatchReadBuffer())
  }

  sendChunks(chunks: readonly Uint8Array[], onConsumed?: () => void, headroom?: number): boolean {
    if (this.writeStatus !== 'writable') throw new ShoalError('ERR_UNREACHABLE', `the stream is ${this.writeStatus}`)
    let byteLength = 0
    for (const chunk of chunks) byteLength += chunk.byteLength
    if (byteLength === 0) return !this.writableNeedsDrain
    if (
      this.writableNeedsDrain ||
      this.sendingData ||
      this.writeBuffer.byteLength > 0 ||
      byteLength > this.#sendWindow + MAX_COPIED_BYTES ||
      this.#sendWindow <= MAX_COPIED_BYTES ||
      !this.#sink.isWritable
    ) {
      return super.send(new Uint8ArrayList(...chunks))
    }
    if (byteLength > this.#sendWindow) {
      const all = new Uint8ArrayList(...chunks)
      const bytes = this.#sendWindow
      this.#sendData([...all.sublist(0, bytes)], bytes, onConsumed, headroom)
      return super.send(all.slice(bytes))
    }
    this.#sendData(chunks, byteLength, onConsumed, headroom)
    this.writableNeedsDrain = !this.#sink.isWritable
    return !this.writableNeedsDrain
  }

  override send(data: Uint8Array | Uint8ArrayList): boolean {
    return this.sendChunks(data instanceof Uint8Array ? [data] : [...data])
  }

  /** For the base class: what did not go straight out. */
  override sendData(data: Uint8ArrayList): SendResult {
    const bytes = Math.min(data.byteLength, this.#sendWindow)
    if (bytes === 0 || !this.#sink.isWritable) return { sentBytes: 0, canSendMore: false }
    this.#sendData([...(bytes === data.byteLength ? data : data.sublist(0, bytes))], bytes)
    return { sentBytes: bytes, canSendMore: bytes === data.byteLength && this.#sink.isWritable }
  }

  override sendReset(): void {
    this.#sink.sendControl(TYPE_WINDOW, FLAG_RST, this.number, 0)
  }

  override async sendCloseWrite(): Promise<void> {
    this.#sendControl(FLAG_FIN, 0)
  }

  /** yamux knows no closed reading half. */
  override async sendCloseRead(options?: AbortOptions): Promise<void> {
    options?.signal?.throwIfAborted()
  }

  /** What nobody takes is not granted anew: that is all there is to it. */
  override sendPause(): void {}

  override sendResume(): void {}

  /**
   * The connection takes data again. What waits here goes at once: the base class sends it in a microtask, and streams
   * whose turn is later would have filled the connection by then.
   */
  override onMuxerDrain(): void {
    if (!this.writableNeedsDrain || this.#sendWindow === 0) return
    if (this.writeBuffer.byteLength > 0) {
      this.writableNeedsDrain = false
      this.processSendQueue()
    }
    if (this.writeBuffer.byteLength === 0 && this.#sink.isWritable) this.safeDispatchEvent('drain')
  }

  /** The other side grants `bytes` more. */
  onGranted(bytes: number): void {
    this.#sendWindow = Math.min(this.#sendWindow + bytes, MAX_U32)
    if (bytes > 0 && this.#sink.isWritable) this.onMuxerDrain()
  }

  /**
   * A data frame of so many bytes begins.
   * @returns false where the stream is reset, as it should have said long ago what it is for
   * @throws ERR_PROTOCOL where that is more than was granted
   */
  onFrame(bytes: number): boolean {
    if (!this.#window.arrived(bytes)) throw new ShoalError('ERR_PROTOCOL', 'yamux: more data than was granted')
    if (!this.isNameless) return true
    this.#namelessBytes += bytes
    if (this.#namelessBytes <= MAX_UNNEGOTIATED_BYTES) return true
    this.abort(new ShoalError('ERR_LIMIT', 'so many bytes and no protocol'))
    return false
  }

  /** What comes before the protocol is known may be of any kind: it is judged when it is. */
  #mayTake(lengths: LengthGuard, chunk: Uint8Array): boolean {
    const isKnown = this.protocol !== ''
    if (isKnown && !this.#lengthPrefixed.has(this.protocol)) {
      this.#lengths = undefined
      return true
    }
    return lengths.take(chunk) || !isKnown
  }

  /** @param chunk the connection's again when this returns */
  onPayload(chunk: Uint8Array): void {
    if (this.#lengths !== undefined && !this.#mayTake(this.#lengths, chunk)) {
      this.abort(new ShoalError('ERR_LIMIT', 'a message with a length without end'))
      return
    }
    if (this.readStatus === 'closing' || this.readStatus === 'closed') {
      this.#taken(chunk.byteLength)
    } else if (this.#onChunk !== undefined && this.readStatus === 'readable' && this.readBuffer.byteLength === 0) {
      this.#onChunk(chunk)
      this.#taken(chunk.byteLength)
    } else {
      this.onData(new Uint8Array(chunk))
    }
  }

  /** Where payload that comes now belongs, if it goes straight on and somebody says so. */
  room(): Uint8Array | undefined {
    const goesOn = this.#lengths === undefined && this.readStatus === 'readable' && this.readBuffer.byteLength === 0
    return goesOn ? this.roomForNext?.() : undefined
  }

  override push(data: Uint8Array | Uint8ArrayList): void {
    this.#pushedBackBytes += data.byteLength
    super.push(data)
  }

  override unshift(data: Uint8Array | Uint8ArrayList): void {
    this.#pushedBackBytes += data.byteLength
    super.unshift(data)
  }

  protected override dispatchReadBuffer(): void {
    const before = this.readBuffer.byteLength
    const pushedBack = this.#pushedBackBytes
    if (this.#onChunk === undefined) {
      super.dispatchReadBuffer()
    } else {
      while (this.readBuffer.byteLength > 0 && this.readStatus === 'readable') {
        const waiting = this.readBuffer.sublist()
        this.readBuffer.consume(waiting.byteLength)
        for (const chunk of waiting) this.#onChunk(chunk)
      }
      if (this.readBuffer.byteLength === 0 && this.remoteWriteStatus === 'closed') {
        this.readStatus = 'closed'
        this.maybeDispatchEnd()
      }
    }
    // what a receiver pushed back meanwhile is there again
    const taken = before + (this.#pushedBackBytes - pushedBack) - this.readBuffer.byteLength
    const known = Math.min(pushedBack, taken)
    this.#pushedBackBytes -= known
    this.#taken(taken - known)
  }

  #sendData(chunks: readonly Uint8Array[], byteLength: number, onConsumed?: () => void, headroom?: number): void {
    this.#sendWindow -= byteLength
    this.#sink.sendData({ stream: this.number, flags: this.#takeFlags(), chunks, byteLength, onConsumed, headroom })
  }

  #sendControl(flags: number, grantedBytes: number): void {
    this.#sink.sendControl(TYPE_WINDOW, this.#takeFlags() | flags, this.number, grantedBytes)
  }

  #takeFlags(): number {
    const flags = this.#flags
    this.#flags = 0
    return flags
  }

  #taken(bytes: number): void {
    if (bytes === 0 || this.status !== 'open' || this.remoteWriteStatus === 'closed') return
    const granted = this.#window.read(bytes, performance.now(), this.#sink.roundTripMs)
    if (granted > 0) this.#sendControl(0, granted)
  }
}
