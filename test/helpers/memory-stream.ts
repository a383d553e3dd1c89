/** Two ends of a byte stream in memory, with back-pressure, for tests of what speaks over one. */
import type { PeerStream } from '../../src/transfer/io/seams.ts'

/** Bytes in flight at which `send` answers false. */
const HIGH_WATER_BYTES = 256 * 1024

export class MemoryStream implements PeerStream {
  readonly peerId: string
  readonly addr = '/memory/1'
  readonly outbound: boolean
  onData: ((chunk: Uint8Array) => void) | undefined
  onDrain: (() => void) | undefined
  onClose: ((err?: Error) => void) | undefined
  /** Rewrites what is delivered to this end, for liars. */
  tamper: ((chunk: Uint8Array) => Uint8Array) | undefined
  /** Payload and headers handed to `send` of this end. */
  sentBytes = 0
  #other: MemoryStream | undefined
  #queue: Uint8Array[] = []
  #queuedBytes = 0
  #delivering = false
  #blocked = false
  #closed = false

  private constructor(peerId: string, outbound: boolean) {
    this.peerId = peerId
    this.outbound = outbound
  }

  /** The first end is held by `a` (so it names `b`), the second by `b`. */
  static pair(a: string, b: string): [MemoryStream, MemoryStream] {
    const first = new MemoryStream(b, true)
    const second = new MemoryStream(a, false)
    first.#other = second
    second.#other = first
    return [first, second]
  }

  get isClosed(): boolean {
    return this.#closed
  }

  send(chunks: readonly Uint8Array[]): boolean {
    if (this.#closed) throw new Error('closed')
    for (const chunk of chunks) {
      // the far end owns what it gets, and the sender may reuse nothing
      this.#queue.push(chunk.slice())
      this.#queuedBytes += chunk.byteLength
      this.sentBytes += chunk.byteLength
    }
    this.#schedule()
    this.#blocked = this.#queuedBytes > HIGH_WATER_BYTES
    return !this.#blocked
  }

  async close(): Promise<void> {
    await new Promise<void>(resolve => setImmediate(resolve))
    this.#deliver()
    this.#end()
  }

  abort(err: Error): void {
    this.#queue = []
    this.#end(err)
  }

  #schedule(): void {
    if (this.#delivering) return
    this.#delivering = true
    setImmediate(() => {
      this.#delivering = false
      this.#deliver()
    })
  }

  #deliver(): void {
    const chunks = this.#queue
    this.#queue = []
    this.#queuedBytes = 0
    for (const chunk of chunks) {
      const other = this.#other
      if (other === undefined || other.#closed) return
      other.onData?.(other.tamper?.(chunk) ?? chunk)
    }
    if (this.#blocked && !this.#closed) {
      this.#blocked = false
      this.onDrain?.()
    }
  }

  #end(err?: Error): void {
    if (this.#closed) return
    this.#closed = true
    const other = this.#other
    if (err === undefined) this.onClose?.()
    else this.onClose?.(err)
    if (other !== undefined && !other.#closed) {
      setImmediate(() => other.#end(err))
    }
  }
}
