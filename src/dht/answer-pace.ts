/**
 * How fast questions of others are answered. Each costs a fraction of a millisecond here (decoding, the routing table,
 * encoding, a write), so that one peer that asks without end would have a core. Who asks faster waits: kad-dht takes the
 * questions of a stream one by one, and an honest node asks the next when it has its answer; whoever asks far ahead loses
 * the stream. Nobody is punished, as a node that announces thousands of roots to a small network asks fast, too.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { Connection, PeerId, Stream } from '@libp2p/interface'
import type { KadDHT } from '@libp2p/kad-dht'
import { ShoalError } from '../base/errors.ts'
import { LengthGuard } from '../base/length-guard.ts'
import { type Origin, originOf, SITE_FACTOR } from '../base/remote-host.ts'
import { TokenBuckets } from '../base/token-buckets.ts'
import { KIB } from '../base/units.ts'
import { boundQuestion, type RawMessage } from './message-bounds.ts'

/** Messages a second, and at once after a pause, of one peer … */
export const PEER_MESSAGES_PER_SEC = 400
export const PEER_MESSAGE_BURST = 1600
/** … and of all peers of one host, so that other names do not help. */
export const HOST_MESSAGES_PER_SEC = 800
export const HOST_MESSAGE_BURST = 6400
/** Who asks gives a question up after 5 s at the earliest. */
const MAX_WAIT_MS = 4_000

/** Questions are of some 40 bytes, and announcements of a few hundred. */
export const MAX_UNREAD_BYTES = 64 * KIB
/** Of one: an announcement with all the addresses that are kept of a peer, each as long as one may be. */
export const MAX_QUESTION_BYTES = 16 * KIB
/** What a chunk costs beyond its bytes: each is kept as it came, with objects of its own. */
const CHUNK_BYTES = 256

export interface Asker {
  readonly peer: string
  /** Where it is connected from. */
  readonly origin: Origin
}

export class AnswerPace {
  readonly #peers = new TokenBuckets(PEER_MESSAGES_PER_SEC, PEER_MESSAGE_BURST)
  readonly #hosts = new TokenBuckets(HOST_MESSAGES_PER_SEC, HOST_MESSAGE_BURST)
  readonly #sites = new TokenBuckets(SITE_FACTOR * HOST_MESSAGES_PER_SEC, SITE_FACTOR * HOST_MESSAGE_BURST)

  /**
   * Counts one message of the asker's.
   * @param now monotonic, ms
   * @returns how long its answer waits, ms; undefined: too long, and it is not counted
   */
  waitMs({ peer, origin }: Asker, now: number): number | undefined {
    const { host, site } = origin
    const buckets = [this.#peers.of(peer, now), this.#hosts.of(host, now), this.#sites.of(site, now)]
    const waitMs = Math.max(...buckets.map(bucket => bucket.availableAt(now, 1) - now))
    if (waitMs > MAX_WAIT_MS) return undefined
    for (const bucket of buckets) bucket.owe(now, 1)
    return waitMs
  }
}

type Handle = (peer: PeerId, message: unknown) => Promise<unknown>

interface Rpc {
  handleMessage: Handle
  /** Reads one message after the other, has each handled by its own `handleMessage`, and sends the answer. */
  onIncomingStream: (stream: Stream, connection: Connection) => Promise<void>
}

/** To be called before the DHT starts. */
export function paceAnswers(dht: KadDHT): void {
  const { rpc } = dht as unknown as { rpc?: Rpc }
  if (rpc === undefined) return
  const pace = new AnswerPace()
  const { onIncomingStream } = rpc
  rpc.onIncomingStream = async (stream, connection) => {
    const unread = new Unread(stream)
    const origin = originOf(connection.remoteAddr.toString())
    const handleMessage: Handle = async (peer, message) => {
      unread.read()
      const waitMs = pace.waitMs({ peer: peer.toString(), origin }, performance.now())
      if (waitMs === undefined) throw new ShoalError('ERR_LIMIT', 'more questions than are answered')
      if (waitMs > 0) await delay(waitMs, undefined, { ref: false })
      return await rpc.handleMessage(peer, boundQuestion(message as RawMessage, peer))
    }
    await onIncomingStream.call(Object.create(rpc, { handleMessage: { value: handleMessage } }), stream, connection)
  }
}

/** What came on a stream and was not read: libp2p keeps up to 4 MiB of it for each. */
export class Unread {
  #bytes = 0
  /** Of chunks that no whole message is charged with yet. */
  #chunkBytes = 0
  /** Of those that came whole. */
  readonly #sizes: number[] = []

  constructor(stream: Stream) {
    const lengths = new LengthGuard(bytes => {
      this.#sizes.push(bytes + this.#chunkBytes)
      this.#chunkBytes = 0
      if (bytes > MAX_QUESTION_BYTES) stream.abort(new ShoalError('ERR_LIMIT', `a question of ${bytes} bytes`))
    })
    stream.addEventListener('message', ({ data }) => {
      const chunks = data instanceof Uint8Array ? [data] : [...data]
      const chunkBytes = chunks.length * CHUNK_BYTES
      this.#bytes += data.byteLength + chunkBytes
      this.#chunkBytes += chunkBytes
      if (this.#bytes > MAX_UNREAD_BYTES) stream.abort(new ShoalError('ERR_LIMIT', 'questions ahead of their answers'))
      else for (const chunk of chunks) lengths.take(chunk)
    })
  }

  /** One more. */
  read(): void {
    this.#bytes -= this.#sizes.shift() ?? 0
  }
}
