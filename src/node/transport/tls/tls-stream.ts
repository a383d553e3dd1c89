/** The encrypted connection as libp2p's upper layers see it. */
import type { TLSSocket } from 'node:tls'
import { type AbortOptions, type MessageStream, type StreamCloseEvent, StreamStateError } from '@libp2p/interface'
import { AbstractMessageStream, type SendResult } from '@libp2p/utils'
import type { Uint8ArrayList } from 'uint8arraylist'
import type { DirectStream } from '../direct-stream.ts'
import { rawTcp } from '../raw-tcp.ts'
import { lookForInactivity } from './inactivity.ts'
import { readIntoOwnBuffer } from './own-buffer-reads.ts'

/**
 * Invariants: what is sent goes to the socket at once and waits there, never in the write buffer; what arrives goes to
 * `onChunk` or, as `message`, to listeners, and waits in the read buffer only when there is neither or the stream is
 * paused. The connection below and the socket end together, whichever ends first. Who made the socket listens for its
 * errors.
 */
export class TlsStream extends AbstractMessageStream implements DirectStream {
  readonly #tls: TLSSocket
  readonly #below: MessageStream
  /** Of what was written and is not consumed yet: to be called once each. */
  readonly #onWire = new Set<() => void>()
  roomForNext: (() => Uint8Array | undefined) | undefined
  #onChunk: ((chunk: Uint8Array) => void) | undefined

  constructor(tls: TLSSocket, below: MessageStream) {
    super({
      log: below.log,
      inactivityTimeout: below.inactivityTimeout,
      maxReadBufferLength: below.maxReadBufferLength,
      direction: below.direction
    })
    this.#tls = tls
    this.#below = below
    // libp2p never closes TCP by halves. Left to itself the socket would first wait for writes that a reset connection
    // never completes.
    tls.once('end', () => tls.destroy())
    tls.on('drain', () => {
      // their own callbacks come after this event
      for (const consumed of this.#onWire) consumed()
      this.safeDispatchEvent('drain')
    })
    below.addEventListener('close', event => this.#onBelowClosed(event), { once: true })
    const socket = rawTcp(below)?.socket
    if (socket !== undefined) lookForInactivity(tls, socket, below.inactivityTimeout)
    const onBytes = (bytes: Uint8Array) => this.#receive(bytes)
    if (!readIntoOwnBuffer(tls, onBytes, () => this.#roomForNext())) tls.on('data', onBytes)
  }

  override get writeBufferLength(): number {
    return this.#tls.writableLength
  }

  get onChunk(): ((chunk: Uint8Array) => void) | undefined {
    return this.#onChunk
  }

  set onChunk(handler: ((chunk: Uint8Array) => void) | undefined) {
    this.#onChunk = handler
    // The owner of the handler may not be whole yet.
    if (handler !== undefined && this.readBuffer.byteLength > 0) queueMicrotask(() => this.dispatchReadBuffer())
  }

  override send(data: Uint8Array | Uint8ArrayList): boolean {
    return this.sendChunks(data instanceof Uint8Array ? [data] : [...data])
  }

  sendChunks(chunks: readonly Uint8Array[], onConsumed?: () => void): boolean {
    if (this.writeStatus !== 'writable' || !this.#tls.writable) {
      throw new StreamStateError(`Cannot write to a stream that is ${this.writeStatus}`)
    }
    const takesMore = this.#write(chunks, onConsumed)
    if (!takesMore) this.writableNeedsDrain = true
    return takesMore
  }

  override sendData(data: Uint8ArrayList): SendResult {
    return { sentBytes: data.byteLength, canSendMore: this.#write([...data]) }
  }

  /** Resolves when all that was sent has been written and the connection is closed. */
  override async close(options?: AbortOptions): Promise<void> {
    if (this.status !== 'open') return
    this.status = 'closing'
    this.writeStatus = 'closing'
    this.remoteWriteStatus = 'closing'
    this.remoteReadStatus = 'closing'
    await finish(this.#tls, options)
    await this.#below.close(options)
    this.onTransportClosed()
  }

  override sendReset(err: Error): void {
    this.#below.abort(err)
    this.#tls.destroy()
  }

  override sendPause(): void {
    this.#tls.pause()
  }

  override sendResume(): void {
    this.#tls.resume()
  }

  protected override dispatchReadBuffer(): void {
    while (this.#onChunk !== undefined && this.readStatus === 'readable' && this.readBuffer.byteLength > 0) {
      const [chunk] = this.readBuffer
      if (chunk === undefined) break
      this.readBuffer.consume(chunk.byteLength)
      this.#onChunk(chunk)
    }
    super.dispatchReadBuffer()
  }

  /** @param chunk the socket's again when this returns */
  #receive(chunk: Uint8Array): void {
    if (this.#onChunk === undefined || this.readBuffer.byteLength > 0 || this.readStatus === 'paused') {
      this.onData(new Uint8Array(chunk))
    } else if (this.readStatus === 'readable') this.#onChunk(chunk)
  }

  /** While bytes wait here, those that come next go behind them. */
  #roomForNext(): Uint8Array | undefined {
    return this.readStatus === 'readable' && this.readBuffer.byteLength === 0 ? this.roomForNext?.() : undefined
  }

  /**
   * Several chunks as one writev: OpenSSL gathers them into as few records as they fill, and ends one wherever a write
   * ends. Measured against one write each and against one buffer made here, it costs the sender the least.
   */
  #write(chunks: readonly Uint8Array[], onConsumed?: () => void): boolean {
    if (chunks.length > 1) this.#tls.cork()
    const consumed = () => {
      if (this.#onWire.delete(consumed)) onConsumed?.()
    }
    if (onConsumed !== undefined) this.#onWire.add(consumed)
    let takesMore = true
    const last = chunks.length - 1
    for (const [i, chunk] of chunks.entries()) {
      takesMore = i === last && onConsumed !== undefined ? this.#tls.write(chunk, consumed) : this.#tls.write(chunk)
    }
    if (chunks.length > 1) this.#tls.uncork()
    return takesMore
  }

  #onBelowClosed({ error, local }: StreamCloseEvent): void {
    this.#tls.destroy()
    if (error === undefined) this.onTransportClosed()
    else if (local) this.abort(error)
    else this.onRemoteReset()
  }
}

/** Writes out what is queued and says goodbye, then closes the socket. */
export function finish(tls: TLSSocket, { signal }: AbortOptions = {}): Promise<void> {
  return new Promise((resolve, reject) => {
    if (tls.closed) {
      resolve()
      return
    }
    const onAbort = () => {
      tls.removeListener('close', onClose)
      reject(signal?.reason)
    }
    const onClose = () => {
      signal?.removeEventListener('abort', onAbort)
      resolve()
    }
    tls.once('close', onClose)
    signal?.addEventListener('abort', onAbort, { once: true })
    tls.destroySoon()
    if (signal?.aborted === true) onAbort()
  })
}
