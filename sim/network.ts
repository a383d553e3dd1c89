/**
 * Hosts on access links, joined by connections: what one end sends comes out at the other in order, after the queues and
 * the delay of the pair, unless the connection ends before. Payload is counted, never carried.
 */
import type { Message } from '../src/transfer/protocol/messages.ts'
import type { Downlink, Uplink } from './access-link.ts'
import type { EventQueue } from './event-queue.ts'
import { messageBytes } from './message-bytes.ts'
import type { RunHash } from './run-hash.ts'

/** Data of one connection that may wait for the uplink: the buffer of its stream. */
export const STREAM_BUFFER_BYTES = 128 * 1024

export interface Host {
  readonly index: number
  readonly uplink: Uplink
  readonly downlink: Downlink
  /** It never reads: what is sent to it is lost, and its streams fill up. */
  readonly isDeaf: boolean
  onMessage(end: ConnectionEnd, message: Message): void
  onData(end: ConnectionEnd, data: Data): void
  /** A frame left: the stream may take more. */
  onDrain(end: ConnectionEnd): void
  /** The other side closed, or the connection was lost. Once, and not after `close` on this side. */
  onClosed(end: ConnectionEnd): void
}

export interface Data {
  /** The requester's. */
  readonly id: number
  readonly bytes: number
  /** The bytes are not those that were asked for. */
  readonly isFalse: boolean
}

/** One side of a connection. */
export class ConnectionEnd {
  readonly session: number
  readonly host: Host
  readonly peerId: string
  readonly delayMs: number
  readonly bufferBytes: number
  isOpen = true
  /** Waits for the uplink. */
  queuedBytes = 0
  /** Handed over, and received, since the last tick. */
  upBytes = 0
  downBytes = 0
  #other: ConnectionEnd | undefined

  constructor(session: number, host: Host, peerId: string, delayMs: number, bufferBytes: number) {
    this.session = session
    this.host = host
    this.peerId = peerId
    this.delayMs = delayMs
    this.bufferBytes = bufferBytes
  }

  get other(): ConnectionEnd {
    if (this.#other === undefined) throw new Error('half a connection')
    return this.#other
  }

  join(other: ConnectionEnd): void {
    this.#other = other
  }

  get isWritable(): boolean {
    return this.isOpen && this.queuedBytes < this.bufferBytes
  }
}

/** Invariant: sentBytes = receivedBytes + lostBytes + inFlightBytes. */
export class Network {
  /** Payload that left an uplink, that came out of a downlink at an open end, and that did not. */
  sentBytes = 0
  receivedBytes = 0
  lostBytes = 0
  inFlightBytes = 0
  readonly #events: EventQueue
  readonly #hash: RunHash
  readonly #bufferBytes: number
  #nextSession = 1

  /** @param bufferBytes data of one connection that may wait for the uplink */
  constructor(events: EventQueue, hash: RunHash, bufferBytes: number = STREAM_BUFFER_BYTES) {
    this.#events = events
    this.#hash = hash
    this.#bufferBytes = bufferBytes
  }

  connect(a: { host: Host; peerId: string }, b: { host: Host; peerId: string }, delayMs: number): ConnectionEnd {
    const end = new ConnectionEnd(this.#nextSession++, a.host, b.peerId, delayMs, this.#bufferBytes)
    const other = new ConnectionEnd(this.#nextSession++, b.host, a.peerId, delayMs, this.#bufferBytes)
    end.join(other)
    other.join(end)
    return end
  }

  sendMessage(end: ConnectionEnd, message: Message): void {
    if (!end.isOpen) return
    const { other } = end
    this.#deliver(end, messageBytes(message), () => {
      if (!other.isOpen) return
      this.#note(1, end.session, message.type.length)
      other.host.onMessage(other, message)
    })
  }

  sendData(end: ConnectionEnd, data: Data): void {
    const { other } = end
    const { bytes } = data
    end.queuedBytes += bytes
    end.upBytes += bytes
    end.host.uplink.enqueue(end, {
      bytes,
      isWanted: () => end.isOpen,
      onSent: beganAt => {
        this.sentBytes += bytes
        if (other.host.isDeaf) {
          this.lostBytes += bytes
          return
        }
        end.queuedBytes -= bytes
        this.inFlightBytes += bytes
        this.#events.after(end.delayMs, () => {
          other.host.downlink.receive(bytes, beganAt + end.delayMs, () => {
            this.inFlightBytes -= bytes
            if (!other.isOpen) {
              this.lostBytes += bytes
              return
            }
            this.receivedBytes += bytes
            other.downBytes += bytes
            this.#note(2, end.session, data.id)
            other.host.onData(other, data)
          })
        })
        if (end.isOpen) end.host.onDrain(end)
      }
    })
  }

  /** This side closes: what it sent still arrives, and then the other side hears of it. */
  close(end: ConnectionEnd): void {
    if (!end.isOpen) return
    end.isOpen = false
    this.#deliver(end, 0, () => this.#lose(end.other))
  }

  /** The connection is gone for both sides at once. */
  lose(end: ConnectionEnd): void {
    this.#lose(end)
    this.#lose(end.other)
  }

  #lose(end: ConnectionEnd): void {
    if (!end.isOpen) return
    end.isOpen = false
    this.#note(3, end.session, 0)
    end.host.onClosed(end)
  }

  #deliver(end: ConnectionEnd, bytes: number, arrive: () => void): void {
    end.host.uplink.control(end, bytes, leavesAt => {
      const arrivesAt = leavesAt + end.delayMs
      this.#events.at(arrivesAt, () => end.other.host.downlink.receive(bytes, arrivesAt, arrive))
    })
  }

  #note(kind: number, session: number, detail: number): void {
    this.#hash.add(this.#events.now)
    this.#hash.add(session * 4 + kind)
    this.#hash.add(detail)
  }
}
