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
import { encodeControlFrame, FrameDecoder } from '../../src/transfer/protocol/frame.ts'
import type { Have, Message } from '../../src/transfer/protocol/messages.ts'

export class AttackStream {
  readonly stream: PeerStream
  readonly heard: Message[] = []
  dataBytes = 0
  isClosed = false
  onMessage: ((message: Message) => void) | undefined

  constructor(stream: PeerStream) {
    this.stream = stream
    const decoder = new FrameDecoder({
      onControl: bytes => {
        const message = decodeMessage(bytes)
        if (message === undefined) return
        this.heard.push(message)
        this.onMessage?.(message)
      },
      onData: (_, chunk) => {
        this.dataBytes += chunk.byteLength
      }
    })
    stream.onData = chunk => decoder.push(chunk)
    stream.onClose = () => {
      this.isClosed = true
    }
  }

  /** What the other side said at the end. */
  get goodbye(): string | undefined {
    const last = this.heard.findLast(message => message.type === 'goodbye')
    return last?.type === 'goodbye' ? last.code : undefined
  }

  say(...messages: Message[]): void {
    this.raw(...messages.map(encodeControlFrame))
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
    this.say({ type: 'hello', root, features: 1, manifest: true, have, maxRequests: 512, maxRequestBytes: 16 * MIB })
  }
}

/** A raw swarm stream from the hostile host. @param addr where the victim listens, with its peer ID */
export async function attack(from: Host, addr: string): Promise<AttackStream> {
  const id = addr.split('/p2p/')[1]
  if (id === undefined) throw new ShoalError('ERR_BAD_MULTIADDR', addr)
  const signal = AbortSignal.timeout(10_000)
  return new AttackStream(await from.dialer.dial({ id, addrs: [addr], seeder: false }, { signal }))
}
