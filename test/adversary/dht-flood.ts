/** Questions to a DHT node, as fast as it takes them. */
import { randomBytes } from 'node:crypto'
import type { Stream } from '@libp2p/interface'
import { lpStream } from '@libp2p/utils'
import { multiaddr } from '@multiformats/multiaddr'
import { KAD_PROTOCOL } from '../../src/dht/kad.ts'
import type { Host } from '../../src/node/host/create-host.ts'

/** Of the specification: FIND_NODE for a key of 32 bytes, with its length before it. */
const question = () => Buffer.concat([Uint8Array.of(36, 0x08, 0x04, 0x12, 0x20), randomBytes(32)])
const IN_A_WRITE = 100

export interface DhtFlood {
  /** So far. */
  readonly answers: number
  /** Whether all of its streams were ended. */
  readonly isOver: boolean
}

export interface FloodInit {
  readonly streams: number
  /** Questions on one stream that are not answered yet, at most. */
  readonly ahead: number
  /** Between two strokes; 0: as soon as a stream takes more. */
  readonly paceMs?: number
}

export async function floodDht(host: Host, addr: string, { streams, ahead, paceMs = 0 }: FloodInit): Promise<DhtFlood> {
  let answers = 0
  let open = streams
  const begin = async () => {
    const stream: Stream = await host.libp2p.dialProtocol(multiaddr(addr), KAD_PROTOCOL)
    let unanswered = 0
    stream.addEventListener('close', () => {
      open -= 1
    })
    const messages = lpStream(stream)
    const count = async () => {
      for (;;) {
        await messages.read()
        answers += 1
        unanswered -= 1
      }
    }
    count().catch(() => {})
    const stroke = () => {
      if (stream.writeStatus !== 'writable') return
      const asked = Math.min(IN_A_WRITE, ahead - unanswered)
      unanswered += asked
      const takesMore = asked <= 0 || stream.send(Buffer.concat(Array.from({ length: asked }, question)))
      if (!takesMore) stream.addEventListener('drain', stroke, { once: true })
      else if (paceMs === 0) setImmediate(stroke)
      else setTimeout(stroke, paceMs).unref()
    }
    stroke()
  }
  for (let at = 0; at < streams; at++) await begin()
  return {
    get answers() {
      return answers
    },
    get isOver() {
      return open === 0
    }
  }
}
