/**
 * One stream with one peer for one root: frames in and out. Control messages go out at once; data goes out one frame at
 * a time and only while the stream takes more, so that little lies ahead of the next control message.
 */
import { ShoalError } from '../../base/errors.ts'
import { TokenBucket } from '../../base/token-bucket.ts'
import { MIB, MINUTE_MS } from '../../base/units.ts'
import { clip, withRoomAhead } from '../../base/views.ts'
import type { SessionId } from '../core/swarm-io.ts'
import { decodeMessage } from '../protocol/codec.ts'
import { DATA_HEADER_BYTES, dataFrameHeader, encodeControlFrame, FrameDecoder } from '../protocol/frame.ts'
import { LEAST_DATA_BYTES, MAX_DATA_BYTES } from '../protocol/limits.ts'
import { FEATURE_LARGE_FRAMES, type GoodbyeCode, type Message } from '../protocol/messages.ts'
import type { PeerStream } from './seams.ts'

/**
 * Control messages that wait while the stream takes nothing: the bitfield of the largest root, and as much again. A peer
 * that asks on and reads nothing would have them pile up without end.
 */
export const MAX_UNSENT_BYTES = 2 * MIB

export interface SessionHandlers {
  onMessage(session: PeerSession, message: Message): void
  /** A part of the payload of a data frame, owned by the session: copy it. */
  onData(session: PeerSession, requestId: number, chunk: Uint8Array): void
  /** Memory for what comes next of the request: `onData` is then given a view of it. */
  roomFor?(session: PeerSession, requestId: number): Uint8Array | undefined
  /** The stream takes data again. */
  onDrain(session: PeerSession): void
  /** Once. */
  onClosed(session: PeerSession, err: Error | undefined): void
}

/** A stream that takes nothing for so long has a reader that does not read; at 4 KB/s the two frames ahead take half of it. */
export const WRITE_TIMEOUT_MS = 2 * MINUTE_MS
/** Bytes that are no payload (control messages, headers, frames of unknown type): at once, and in a second. */
export const CONTROL_BURST_BYTES = 16 * MIB
export const CONTROL_BYTES_PER_SEC = MIB

export interface PeerSessionInit {
  /** Monotonic, ms. */
  readonly now: () => number
  /** The peer broke a rule, and the session ends for it. */
  readonly onOffence: (code: GoodbyeCode, message: string) => void
}

export class PeerSession {
  readonly id: SessionId
  readonly stream: PeerStream
  handlers: SessionHandlers
  /** Payload of the largest data frame that the peer takes. */
  maxDataBytes = LEAST_DATA_BYTES
  /** Payload bytes since the session opened. */
  sentBytes = 0
  receivedBytes = 0
  #writable = true
  #closed = false
  #writers: Array<() => void> = []
  #isHeard = false
  readonly #listeners: Array<() => void> = []
  #unsent: Uint8Array[] = []
  /** Control messages since the stream stopped taking data. */
  #waitingBytes = 0
  /** Since when the stream takes nothing. */
  #blockedAt: number | undefined
  readonly #init: PeerSessionInit | undefined
  readonly #control: TokenBucket
  /** DAG nodes that were asked for and have not come. */
  #owedNodes = 0
  #payloadOfChunk = 0

  constructor(id: SessionId, stream: PeerStream, handlers: SessionHandlers, init?: PeerSessionInit) {
    this.id = id
    this.#init = init
    this.#control = new TokenBucket(this.#now, CONTROL_BYTES_PER_SEC, CONTROL_BURST_BYTES)
    this.stream = stream
    this.handlers = handlers
    const decoder = new FrameDecoder({
      onControl: bytes => {
        if (this.#closed) return
        const message = decodeMessage(bytes)
        if (message?.type === 'hello' && (message.features & FEATURE_LARGE_FRAMES) !== 0) {
          this.maxDataBytes = MAX_DATA_BYTES
        }
        this.#wasHeard()
        if (message !== undefined) this.handlers.onMessage(this, message)
      },
      onData: (requestId, chunk) => {
        if (this.#closed) return
        this.receivedBytes += chunk.byteLength
        this.#payloadOfChunk += chunk.byteLength
        this.handlers.onData(this, requestId, chunk)
      }
    })
    stream.onDrain = () => {
      this.#writable = true
      this.#waitingBytes = 0
      this.#blockedAt = undefined
      this.#wakeWriters()
      if (!this.#closed) this.handlers.onDrain(this)
    }
    stream.onClose = err => {
      this.#end(err)
    }
    stream.roomForNext = () => {
      const { expected } = decoder
      if (expected === undefined || this.#closed) return undefined
      return clip(this.handlers.roomFor?.(this, expected.id), expected.bytes)
    }
    stream.onData = chunk => {
      if (this.#closed) return
      this.#payloadOfChunk = 0
      try {
        decoder.push(chunk)
        const controlBytes = chunk.byteLength - this.#payloadOfChunk
        if (!this.#control.take(this.#now, controlBytes)) this.goodbye('limit', 'too much that is no payload')
      } catch (err) {
        this.#fail(err)
      }
    }
  }

  get peerId(): string {
    return this.stream.peerId
  }

  get isClosed(): boolean {
    return this.#closed
  }

  /** Whether the stream takes data now. */
  get isWritable(): boolean {
    return this.#writable && !this.#closed
  }

  /** How long the stream has taken nothing, ms. */
  blockedForMs(now: number): number {
    return this.#blockedAt === undefined ? 0 : now - this.#blockedAt
  }

  /** Ends the session where the peer does not read. Returns whether it did. */
  endedAsStuck(now: number): boolean {
    if (this.blockedForMs(now) < WRITE_TIMEOUT_MS) return false
    this.goodbye('idle', 'this peer does not read what it is sent')
    return true
  }

  /**
   * Nodes that it was asked for do not count as control messages, be they of use still or not: another may have given
   * them meanwhile.
   */
  tookNodes(blocks: readonly Uint8Array[]): void {
    const owed = blocks.slice(0, this.#owedNodes)
    this.#owedNodes -= owed.length
    for (const { byteLength } of owed) this.#control.giveBack(this.#now, byteLength)
  }

  /** Resolves when the stream takes data again, or the session is over. */
  async whenWritable(): Promise<void> {
    if (this.#writable || this.#closed) return
    await new Promise<void>(resolve => this.#writers.push(resolve))
  }

  /** Runs it once: when the peer has said something, or the session is over. */
  onHeard(run: () => void): void {
    if (this.#isHeard) run()
    else this.#listeners.push(run)
  }

  #wasHeard(): void {
    if (this.#isHeard) return
    this.#isHeard = true
    for (const run of this.#listeners.splice(0)) run()
  }

  /** Messages of one turn of the event loop leave together: each send is a frame of the muxer, a cipher and a write. */
  sendMessage(message: Message): void {
    if (this.#closed) return
    if (message.type === 'nodeRequest') this.#owedNodes += message.count
    const frame = encodeControlFrame(message)
    if (!this.#writable) this.#waitingBytes += frame.byteLength
    if (this.#waitingBytes > MAX_UNSENT_BYTES) {
      this.abort(new ShoalError('ERR_LIMIT', 'the peer reads nothing of what it is answered'))
      return
    }
    this.#unsent.push(frame)
    if (this.#unsent.length === 1) queueMicrotask(() => this.#flush())
  }

  /**
   * One data frame. The payload is not copied: it must not change until `onConsumed`, which may never be called.
   * @param headroom bytes ahead of it in its memory that are nobody's: headers may go there
   */
  sendData(requestId: number, payload: Uint8Array, onConsumed?: () => void, headroom = 0): void {
    this.sentBytes += payload.byteLength
    if (headroom >= DATA_HEADER_BYTES && this.#unsent.length === 0) {
      const frame = withRoomAhead(payload, DATA_HEADER_BYTES)
      dataFrameHeader(requestId, payload.byteLength, frame)
      this.#send([frame], onConsumed, headroom - DATA_HEADER_BYTES)
      return
    }
    this.#send([...this.#takeUnsent(), dataFrameHeader(requestId, payload.byteLength), payload], onConsumed)
  }

  /** Says why, and closes. */
  goodbye(code: GoodbyeCode, message: string): void {
    this.#leave(code, message, new ShoalError('ERR_PROTOCOL', `${code}: ${message}`))
  }

  #leave(code: GoodbyeCode, message: string, err: ShoalError): void {
    if (this.#closed) return
    if (code === 'limit' || code === 'protocol') this.#init?.onOffence(code, message)
    this.sendMessage({ type: 'goodbye', code, message: message.slice(0, 200) })
    this.#flush()
    this.#end(err)
    this.stream.close().catch(() => {
      this.stream.abort(new ShoalError('ERR_UNREACHABLE', 'the stream did not close'))
    })
  }

  abort(err: Error): void {
    if (this.#closed) return
    this.#end(err)
    this.stream.abort(err)
  }

  /**
   * While bytes of the peer were taken in. A declared error is its fault, and it hears which; anything else is a bug of
   * ours: the session ends all the same, and what went wrong is told to us, not to the peer.
   */
  #fail(err: unknown): void {
    if (err instanceof ShoalError && (err.code === 'ERR_PROTOCOL' || err.code === 'ERR_LIMIT')) {
      this.goodbye(err.code === 'ERR_LIMIT' ? 'limit' : 'protocol', err.message)
      return
    }
    const message = err instanceof Error ? err.message : String(err)
    this.#leave('other', 'an error on this side', new ShoalError('ERR_BUG', message, { cause: err }))
  }

  #flush(): void {
    const unsent = this.#takeUnsent()
    if (unsent.length > 0) this.#send(unsent)
  }

  #takeUnsent(): Uint8Array[] {
    const unsent = this.#unsent
    this.#unsent = []
    return unsent
  }

  #send(chunks: Uint8Array[], onConsumed?: () => void, headroom?: number): void {
    if (this.#closed) return
    try {
      if (!this.stream.send(chunks, onConsumed, headroom)) {
        this.#writable = false
        this.#blockedAt ??= this.#now
      }
    } catch (err) {
      this.#end(err instanceof Error ? err : new ShoalError('ERR_UNREACHABLE', String(err)))
    }
  }

  get #now(): number {
    return this.#init?.now() ?? 0
  }

  #end(err: Error | undefined): void {
    if (this.#closed) return
    this.#closed = true
    this.#wakeWriters()
    this.#wasHeard()
    this.handlers.onClosed(this, err)
  }

  #wakeWriters(): void {
    const writers = this.#writers
    this.#writers = []
    for (const wake of writers) wake()
  }
}
