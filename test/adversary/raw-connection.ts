/** A connection whose handshake is as it should be, and whose muxer is ours to abuse: frames by hand. */
import '../../src/base/polyfill.ts'
import type { Connection, MessageStream, StreamMuxer, StreamMuxerStatus } from '@libp2p/interface'
import { TypedEventEmitter } from '@libp2p/interface'
import { tcp } from '@libp2p/tcp'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p, type Libp2p } from 'libp2p'
import { noise } from '../../src/node/transport/noise/noise.ts'
import {
  encodeHeader,
  FLAG_ACK,
  FLAG_SYN,
  type FrameHeader,
  TYPE_GO_AWAY,
  TYPE_PING
} from '../../src/node/transport/yamux/frame.ts'
import { FrameDecoder } from '../../src/node/transport/yamux/frame-decoder.ts'

/** Headers that are kept of what the other side sends. */
const MAX_HEARD = 10_000

class NoMuxer extends TypedEventEmitter<Record<string, Event>> {
  readonly protocol = '/yamux/1.0.0'
  readonly streams = []
  status: StreamMuxerStatus = 'open'

  async createStream(): Promise<never> {
    throw new Error('frames are sent by hand here')
  }

  async close(): Promise<void> {
    this.status = 'closed'
  }

  abort(): void {
    this.status = 'closed'
  }
}

export class RawConnection {
  readonly heard: FrameHeader[] = []
  isClosed = false
  readonly #stream: MessageStream
  readonly #connection: Connection
  readonly #paceMs: number
  #takesMore = true

  constructor(stream: MessageStream, connection: Connection, paceMs = 0) {
    this.#stream = stream
    this.#connection = connection
    this.#paceMs = paceMs
    const decoder = new FrameDecoder({
      onHeader: header => {
        if (this.heard.length < MAX_HEARD || header.type === TYPE_GO_AWAY) this.heard.push(header)
        // who does not answer pings would be told from who floods
        if (header.type === TYPE_PING && header.flags === FLAG_SYN) {
          this.raw(encodeHeader({ ...header, flags: FLAG_ACK }))
        }
      },
      onPayload: () => {}
    })
    stream.addEventListener('message', ({ data }) => {
      for (const chunk of data instanceof Uint8Array ? [data] : data) decoder.push(chunk)
    })
    stream.addEventListener('drain', () => {
      this.#takesMore = true
    })
    stream.addEventListener('close', () => {
      this.isClosed = true
    })
  }

  /** The reason with which the other side went away. */
  get goAway(): number | undefined {
    return this.heard.find(({ type }) => type === TYPE_GO_AWAY)?.length
  }

  raw(bytes: Uint8Array): void {
    if (this.isClosed || this.#stream.status !== 'open') return
    this.#takesMore = this.#stream.send(bytes)
  }

  frame(header: FrameHeader, payload: Uint8Array = new Uint8Array(0)): void {
    this.raw(Buffer.concat([encodeHeader(header), payload]))
  }

  /** Again and again, as fast as the connection takes it, until it is over. */
  goOn(stroke: () => void): void {
    if (this.isClosed) return
    if (this.#takesMore) stroke()
    if (this.#paceMs === 0) setImmediate(() => this.goOn(stroke))
    else setTimeout(() => this.goOn(stroke), this.#paceMs).unref()
  }

  abort(): void {
    this.#connection.abort(new Error('the attack is over'))
  }
}

export interface RawDialer {
  dial(addr: string, paceMs?: number): Promise<RawConnection>
  stop(): Promise<void>
}

/** A host of one identity that only dials. */
export async function rawDialer(): Promise<RawDialer> {
  let last: MessageStream | undefined
  const libp2p: Libp2p = await createLibp2p({
    addresses: { listen: [] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [
      () => ({
        protocol: '/yamux/1.0.0',
        createStreamMuxer: (stream: MessageStream) => {
          last = stream
          return new NoMuxer() as unknown as StreamMuxer
        }
      })
    ]
  })
  return {
    dial: async (addr, paceMs) => {
      const connection = await libp2p.dial(multiaddr(addr), { signal: AbortSignal.timeout(60_000), force: true })
      if (last === undefined) throw new Error('no connection')
      return new RawConnection(last, connection, paceMs)
    },
    stop: async () => {
      for (const connection of libp2p.getConnections()) connection.abort(new Error('the attack is over'))
      await libp2p.stop()
    }
  }
}
