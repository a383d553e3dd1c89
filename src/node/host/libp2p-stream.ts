/** A libp2p stream as the swarm sees it. */
import type { Connection, Stream, StreamCloseEvent, StreamMessageEvent } from '@libp2p/interface'
import { Uint8ArrayList } from 'uint8arraylist'
import { ShoalError } from '../../base/errors.ts'
import type { PeerStream } from '../../transfer/io/seams.ts'
import { isDirectStream } from '../transport/direct-stream.ts'
import { plainAddrs } from './addresses.ts'

/** After close(): how long the other side may take to read what is queued and to close its half. */
const CLOSE_TIMEOUT_MS = 5_000

/**
 * Invariants: `onClose` is called exactly once, whoever ended the stream, and nothing is called after it. Either side
 * closing its half ends both. Nothing is ever paused: yamux resets paused bulk streams; what is outstanding is bounded
 * by those who ask for it. Data that came before `onData` was set waits in libp2p's read buffer (4 MiB).
 */
export class Libp2pPeerStream implements PeerStream {
  readonly peerId: string
  readonly addr: string
  readonly outbound: boolean
  onDrain: (() => void) | undefined
  roomForNext: (() => Uint8Array | undefined) | undefined
  readonly #stream: Stream
  #onData: ((chunk: Uint8Array) => void) | undefined
  #onClose: ((err?: Error) => void) | undefined
  /** Set once the stream ended, until it was told to `onClose`. */
  #ended: { err: Error | undefined } | undefined
  #told = false
  /** The last `send` said so. */
  #needsDrain = false
  #closeTimer: NodeJS.Timeout | undefined

  constructor(stream: Stream, connection: Connection) {
    this.#stream = stream
    this.peerId = connection.remotePeer.toString()
    this.addr = plainAddrs([connection.remoteAddr])[0] ?? connection.remoteAddr.toString()
    this.outbound = stream.direction === 'outbound'
    sparseWindowUpdates(stream)
    stream.addEventListener('drain', this.#onStreamDrain)
    // in the middle of its sending it would take more for sent
    stream.addEventListener('idle', () => queueMicrotask(this.#onStreamDrain))
    stream.addEventListener('close', this.#onStreamClose)
    stream.addEventListener('end', this.#onStreamEnd)
    // It may have ended before anyone listened.
    if (stream.status !== 'open') this.#end(new ShoalError('ERR_UNREACHABLE', 'the stream was reset'))
    else if (stream.readableEnded) this.#onStreamEnd()
  }

  get onData(): ((chunk: Uint8Array) => void) | undefined {
    return this.#onData
  }

  set onData(handler: ((chunk: Uint8Array) => void) | undefined) {
    const first = this.#onData === undefined
    this.#onData = handler
    // libp2p keeps what arrives until someone listens, and gives it out in order then.
    if (isDirectStream(this.#stream)) {
      this.#stream.onChunk = handler === undefined ? undefined : this.#onChunk
      this.#stream.roomForNext = () => (this.#told ? undefined : this.roomForNext?.())
      return
    }
    if (first && handler !== undefined) this.#stream.addEventListener('message', this.#onStreamMessage)
    else if (handler === undefined) this.#stream.removeEventListener('message', this.#onStreamMessage)
  }

  get onClose(): ((err?: Error) => void) | undefined {
    return this.#onClose
  }

  set onClose(handler: ((err?: Error) => void) | undefined) {
    this.#onClose = handler
    if (this.#ended !== undefined && handler !== undefined) queueMicrotask(() => this.#tell())
  }

  /**
   * Becomes one yamux frame where the window allows it, and each frame costs a header, a window update back and at
   * least one noise message of 64 KiB. Bytes in one call decide the speed: over loopback between two processes 16 KiB
   * give 92 MB/s, 32 KiB 142, 64 KiB 304, 128 KiB 354, 256 KiB 361, 1 MiB 311 (yamux 8.0.1 ignores its
   * maxMessageSize). The chunks are not copied and must not change until they are sent.
   */
  send(chunks: readonly Uint8Array[], onConsumed?: () => void, headroom?: number): boolean {
    if (this.#ended !== undefined) throw new ShoalError('ERR_UNREACHABLE', 'the stream is closed')
    const takesMore = this.#send(chunks, onConsumed, headroom)
    if (!takesMore) this.#needsDrain = true
    return takesMore
  }

  #send(chunks: readonly Uint8Array[], onConsumed?: () => void, headroom?: number): boolean {
    if (isDirectStream(this.#stream)) return this.#stream.sendChunks(chunks, onConsumed, headroom)
    const [only] = chunks
    return this.#stream.send(chunks.length === 1 && only !== undefined ? only : new Uint8ArrayList(...chunks))
  }

  async close(): Promise<void> {
    if (this.#ended !== undefined) return
    // close() of libp2p ends our half only; the other side's adapter answers by closing its own.
    this.#closeTimer ??= setTimeout(
      () => this.abort(new ShoalError('ERR_UNREACHABLE', 'the peer did not close its side of the stream')),
      CLOSE_TIMEOUT_MS
    ).unref()
    try {
      await this.#stream.close({ signal: AbortSignal.timeout(CLOSE_TIMEOUT_MS) })
    } catch (err) {
      this.abort(err instanceof Error ? err : new ShoalError('ERR_UNREACHABLE', String(err)))
    }
  }

  abort(err: Error): void {
    this.#stream.abort(err)
    this.#end(err)
  }

  readonly #onChunk = (chunk: Uint8Array): void => {
    if (!this.#told) this.#onData?.(chunk)
  }

  readonly #onStreamMessage = (event: StreamMessageEvent): void => {
    const { data } = event
    if (data instanceof Uint8Array) {
      if (!this.#told) this.#onData?.(data)
      return
    }
    for (const chunk of data) {
      if (this.#told) return
      this.#onData?.(chunk)
    }
  }

  /**
   * libp2p says `drain` when the other side grants any byte, while all else still waits: whoever went by that alone would
   * queue a frame for each byte that a slow reader takes.
   */
  readonly #onStreamDrain = (): void => {
    if (!this.#needsDrain || this.#ended !== undefined) return
    if (this.#stream.writeBufferLength > 0 || this.#stream.writableNeedsDrain) return
    this.#needsDrain = false
    this.onDrain?.()
  }

  readonly #onStreamClose = (event: StreamCloseEvent): void => {
    clearTimeout(this.#closeTimer)
    this.#end(event.error)
  }

  /** The other side sends no more. `end` comes before data that shares its frame, so let that through first. */
  readonly #onStreamEnd = (): void => {
    queueMicrotask(() => {
      if (this.#ended !== undefined) return
      const closing = this.close()
      this.#end(undefined)
      void closing
    })
  }

  #end(err: Error | undefined): void {
    if (this.#ended !== undefined) return
    this.#ended = { err }
    this.#tell()
  }

  #tell(): void {
    if (this.#told || this.#ended === undefined || this.#onClose === undefined) return
    this.#told = true
    const { err } = this.#ended
    if (err === undefined) this.#onClose()
    else this.#onClose(err)
  }
}

/** What yamux keeps of a stream's receiving side, beyond its published type. */
interface YamuxReceiver {
  recvWindow: number
  recvWindowCapacity: number
  sendWindowUpdate: () => void
}

/**
 * yamux 8 answers every data frame with a window update: a small encrypted write for each 128 KiB, a fifth of a
 * receiver's time at full speed. An update for each half window keeps the sender going just as well (the yamux
 * specification leaves the moment to the receiver). Streams of another kind are left alone.
 */
function sparseWindowUpdates(stream: Stream): void {
  if (!isYamuxReceiver(stream)) return
  const update = stream.sendWindowUpdate.bind(stream)
  stream.sendWindowUpdate = () => {
    if (stream.recvWindowCapacity <= stream.recvWindow / 2) update()
  }
}

function isYamuxReceiver(stream: object): stream is YamuxReceiver {
  return (
    'recvWindow' in stream &&
    typeof stream.recvWindow === 'number' &&
    'recvWindowCapacity' in stream &&
    typeof stream.recvWindowCapacity === 'number' &&
    'sendWindowUpdate' in stream &&
    typeof stream.sendWindowUpdate === 'function'
  )
}
