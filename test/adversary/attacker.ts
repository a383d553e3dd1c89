/**
 * A hostile node on loopback: a real host whose swarm stream says whatever a test wants. What an honest core would do is
 * not here; each attack is a small function on the raw stream.
 */
import { base32 } from 'multiformats/bases/base32'
import { CID } from 'multiformats/cid'
import { ShoalError } from '../../src/base/errors.ts'
import { MIB } from '../../src/base/units.ts'
import type { Host } from '../../src/node/host/create-host.ts'
import type { PeerStream } from '../../src/transfer/io/seams.ts'
import { decodeMessage } from '../../src/transfer/protocol/codec.ts'
import { dataFrameHeader, encodeControlFrame, FrameDecoder } from '../../src/transfer/protocol/frame.ts'
import { MAX_DATA_BYTES } from '../../src/transfer/protocol/limits.ts'
import { FEATURE_LARGE_FRAMES, FEATURE_PLACES, type Have, type Message } from '../../src/transfer/protocol/messages.ts'

/** What a session tells us of the other side before the last is forgotten. */
const MAX_HEARD = 10_000

export class AttackStream {
  readonly stream: PeerStream
  readonly heard: Message[] = []
  dataBytes = 0
  isClosed = false
  onMessage: ((message: Message) => void) | undefined
  onClosed: (() => void) | undefined
  readonly #paceMs: number

  /** @param paceMs between two strokes of what goes on for ever */
  constructor(stream: PeerStream, paceMs = 0) {
    this.stream = stream
    this.#paceMs = paceMs
    const decoder = new FrameDecoder({
      onControl: bytes => {
        const message = decodeMessage(bytes)
        if (message === undefined) return
        if (this.heard.length < MAX_HEARD || message.type === 'goodbye') this.heard.push(message)
        this.onMessage?.(message)
      },
      onData: (_, chunk) => {
        this.dataBytes += chunk.byteLength
      }
    })
    stream.onData = chunk => decoder.push(chunk)
    stream.onClose = () => {
      this.isClosed = true
      this.onClosed?.()
    }
  }

  /** From now on nothing is read: the other side's window closes. */
  stopReading(): void {
    this.stream.onData = undefined
  }

  /** What the other side said at the end. */
  get goodbye(): string | undefined {
    const last = this.heard.findLast(message => message.type === 'goodbye')
    return last?.type === 'goodbye' ? last.code : undefined
  }

  /** Whether there is still somebody to attack. */
  get isOpen(): boolean {
    return !this.isClosed && this.goodbye === undefined
  }

  hears(type: Message['type']): boolean {
    return this.heard.some(message => message.type === type)
  }

  /** Again and again, until the session is over. */
  goOn(stroke: () => void): void {
    if (!this.isOpen) return
    stroke()
    if (this.#paceMs === 0) setImmediate(() => this.goOn(stroke))
    else setTimeout(() => this.goOn(stroke), this.#paceMs).unref()
  }

  say(...messages: Message[]): void {
    this.raw(...messages.map(encodeControlFrame))
  }

  /** Payload of a request, in as many frames as it takes. */
  give(id: number, payload: Uint8Array): void {
    for (let at = 0; at < payload.byteLength; at += MAX_DATA_BYTES) {
      const part = payload.subarray(at, at + MAX_DATA_BYTES)
      this.raw(dataFrameHeader(id, part.byteLength), part)
    }
  }

  raw(...bytes: Uint8Array[]): void {
    if (this.isClosed) return
    try {
      this.stream.send(bytes)
    } catch {
      this.isClosed = true
    }
  }

  hello(cid: string, have: Have): void {
    const root = CID.parse(cid, base32).bytes
    const features = FEATURE_PLACES | FEATURE_LARGE_FRAMES
    this.say({ type: 'hello', root, features, manifest: true, have, maxRequests: 512, maxRequestBytes: 16 * MIB })
  }
}

/** A raw swarm stream from the hostile host. @param addr where the victim listens, with its peer ID */
export async function attack(from: Host, addr: string, paceMs = 0): Promise<AttackStream> {
  const id = addr.split('/p2p/')[1]
  if (id === undefined) throw new ShoalError('ERR_BAD_MULTIADDR', addr)
  const signal = AbortSignal.timeout(60_000)
  return new AttackStream(await from.dialer.dial({ id, addrs: [addr], seeder: false }, { signal }), paceMs)
}
