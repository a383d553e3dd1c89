/**
 * One stream with one peer for one root: frames in and out. Control messages go out at once; data goes out one frame at
 * a time and only while the stream takes more, so that little lies ahead of the next control message.
 */
import { ShoalError } from '../../base/errors.ts'
import type { SessionId } from '../core/swarm-io.ts'
import { decodeMessage } from '../protocol/codec.ts'
import { dataFrameHeader, encodeControlFrame, FrameDecoder } from '../protocol/frame.ts'
import type { GoodbyeCode, Message } from '../protocol/messages.ts'
import type { PeerStream } from './seams.ts'

export interface SessionHandlers {
  onMessage(session: PeerSession, message: Message): void
  /** A part of the payload of a data frame, owned by the session: copy it. */
  onData(session: PeerSession, requestId: number, chunk: Uint8Array): void
  /** The stream takes data again. */
  onDrain(session: PeerSession): void
  /** Once. */
  onClosed(session: PeerSession, err: Error | undefined): void
}

export class PeerSession {
  readonly id: SessionId
  readonly stream: PeerStream
  handlers: SessionHandlers
  /** Payload bytes since the session opened. */
  sentBytes = 0
  receivedBytes = 0
  #writable = true
  #closed = false
  #writers: Array<() => void> = []
  #unsent: Uint8Array[] = []

  constructor(id: SessionId, stream: PeerStream, handlers: SessionHandlers) {
    this.id = id
    this.stream = stream
    this.handlers = handlers
    const decoder = new FrameDecoder({
      onControl: bytes => {
        if (this.#closed) return
        const message = decodeMessage(bytes)
        if (message !== undefined) this.handlers.onMessage(this, message)
      },
      onData: (requestId, chunk) => {
        if (this.#closed) return
        this.receivedBytes += chunk.byteLength
        this.handlers.onData(this, requestId, chunk)
      }
    })
    stream.onDrain = () => {
      this.#writable = true
      this.#wakeWriters()
      if (!this.#closed) this.handlers.onDrain(this)
    }
    stream.onClose = err => {
      this.#end(err)
    }
    stream.onData = chunk => {
      if (this.#closed) return
      try {
        decoder.push(chunk)
      } catch (err) {
        // a stranger's bytes: a declared error ends the session with its reason, anything else is our bug and ends it too
        const limit = err instanceof ShoalError && err.code === 'ERR_LIMIT'
        this.goodbye(limit ? 'limit' : 'protocol', err instanceof Error ? err.message : String(err))
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

  /** Resolves when the stream takes data again, or the session is over. */
  async whenWritable(): Promise<void> {
    if (this.#writable || this.#closed) return
    await new Promise<void>(resolve => this.#writers.push(resolve))
  }

  /** Messages of one turn of the event loop leave together: each send is a frame of the muxer, a cipher and a write. */
  sendMessage(message: Message): void {
    if (this.#closed) return
    this.#unsent.push(encodeControlFrame(message))
    if (this.#unsent.length === 1) queueMicrotask(() => this.#flush())
  }

  /** One data frame. The payload is not copied: it must not change until `onConsumed`, which may never be called. */
  sendData(requestId: number, payload: Uint8Array, onConsumed?: () => void): void {
    this.sentBytes += payload.byteLength
    this.#send([...this.#takeUnsent(), dataFrameHeader(requestId, payload.byteLength), payload], onConsumed)
  }

  /** Says why, and closes. */
  goodbye(code: GoodbyeCode, message: string): void {
    if (this.#closed) return
    this.sendMessage({ type: 'goodbye', code, message: message.slice(0, 200) })
    this.#flush()
    this.#end(new ShoalError('ERR_PROTOCOL', `${code}: ${message}`))
    this.stream.close().catch(() => {
      this.stream.abort(new ShoalError('ERR_UNREACHABLE', 'the stream did not close'))
    })
  }

  abort(err: Error): void {
    if (this.#closed) return
    this.#end(err)
    this.stream.abort(err)
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

  #send(chunks: Uint8Array[], onConsumed?: () => void): void {
    if (this.#closed) return
    try {
      if (!this.stream.send(chunks, onConsumed)) this.#writable = false
    } catch (err) {
      this.#end(err instanceof Error ? err : new ShoalError('ERR_UNREACHABLE', String(err)))
    }
  }

  #end(err: Error | undefined): void {
    if (this.#closed) return
    this.#closed = true
    this.#wakeWriters()
    this.handlers.onClosed(this, err)
  }

  #wakeWriters(): void {
    const writers = this.#writers
    this.#writers = []
    for (const wake of writers) wake()
  }
}
