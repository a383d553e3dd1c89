/**
 * A stream to a DHT node that answered is kept for its next question. kad-dht opens one for each: negotiation, events,
 * timers and a rewrite of the peer store at both ends, which costs many times what the question does. A lookup and the
 * announcement that follows ask the same twenty nodes, and so do a thousand announcements. By the Kademlia
 * specification of libp2p (RPC messages) a node has to answer further questions on a stream, and who asks may reuse it.
 */
import type { AbortOptions, PeerId, Stream } from '@libp2p/interface'
import type { KadDHT } from '@libp2p/kad-dht'
import { ShoalError } from '../base/errors.ts'

/** Nodes end a stream on which nobody asked for 10 s; we end it well before, so that no question meets the end. */
const KEEP_MS = 5_000
/** Streams kept of all peers; the one kept longest is closed. */
const MAX_KEPT = 128

type Listener = (event: Event) => void
type OpenStream = (peer: PeerId, protocol: string | string[], options?: object) => Promise<Stream>

interface NetworkView {
  components: { connectionManager: { openStream: OpenStream } }
}

/** One question's use of a stream: what it listens to ends with it. */
class Lease {
  readonly stream: Stream
  readonly #giveBack: (stream: Stream) => void
  readonly #listeners: [string, Listener][] = []
  #isAnswered = false

  constructor(stream: Stream, giveBack: (stream: Stream) => void) {
    this.stream = stream
    this.#giveBack = giveBack
    this.addEventListener('message', () => {
      this.#isAnswered = true
    })
  }

  get log() {
    return this.stream.log
  }

  get status() {
    return this.stream.status
  }

  get remoteWriteStatus() {
    return this.stream.remoteWriteStatus
  }

  get readBufferLength() {
    return this.stream.readBufferLength
  }

  addEventListener(type: string, listener: Listener): void {
    this.#listeners.push([type, listener])
    this.stream.addEventListener(type as 'message', listener as () => void)
  }

  removeEventListener(type: string, listener: Listener): void {
    this.stream.removeEventListener(type as 'message', listener as () => void)
  }

  send(data: Parameters<Stream['send']>[0]): boolean {
    return this.stream.send(data)
  }

  push(data: Parameters<Stream['push']>[0]): void {
    this.stream.push(data)
  }

  async closeRead(options?: AbortOptions): Promise<void> {
    await this.stream.closeRead(options)
  }

  abort(err: Error): void {
    this.#end()
    this.stream.abort(err)
  }

  /** The question is done. Only one that was answered leaves the stream free: after any other, its failure may come. */
  async close(options?: AbortOptions): Promise<void> {
    this.#end()
    const { stream } = this
    if (this.#isAnswered && isFree(stream)) this.#giveBack(stream)
    else await stream.close(options)
  }

  #end(): void {
    for (const [type, listener] of this.#listeners.splice(0)) this.removeEventListener(type, listener)
  }
}

function isFree(stream: Stream): boolean {
  const { status, writeStatus, remoteWriteStatus, readBufferLength } = stream
  return status === 'open' && writeStatus === 'writable' && remoteWriteStatus === 'writable' && readBufferLength === 0
}

interface Kept {
  readonly stream: Stream
  readonly timer: NodeJS.Timeout
}

/** Invariant: each kept stream has a timer, and no listener but ours. */
class KeptStreams {
  readonly #open: OpenStream
  /** By peer ID; the one kept longest first. */
  readonly #kept = new Map<string, Kept>()

  constructor(open: OpenStream) {
    this.#open = open
  }

  async lease(peer: PeerId, protocol: string | string[], options?: object): Promise<Stream> {
    const id = peer.toString()
    const stream = this.#take(id) ?? (await this.#open(peer, protocol, options))
    return new Lease(stream, free => this.#keep(id, free)) as unknown as Stream
  }

  /** One that is no longer free is ended: nobody else knows of it. */
  #take(id: string): Stream | undefined {
    const kept = this.#kept.get(id)
    if (kept === undefined) return undefined
    this.#kept.delete(id)
    clearTimeout(kept.timer)
    kept.stream.removeEventListener('message', onUnasked)
    if (isFree(kept.stream)) return kept.stream
    if (kept.stream.status === 'open') close(kept.stream)
    return undefined
  }

  #keep(id: string, stream: Stream): void {
    // one that was kept meanwhile stays
    if (this.#kept.has(id)) {
      close(stream)
      return
    }
    stream.addEventListener('message', onUnasked)
    const timer = setTimeout(() => this.#drop(id), KEEP_MS).unref()
    this.#kept.set(id, { stream, timer })
    const [oldest] = this.#kept.keys()
    if (this.#kept.size > MAX_KEPT && oldest !== undefined) this.#drop(oldest)
  }

  #drop(id: string): void {
    const stream = this.#take(id)
    if (stream !== undefined) close(stream)
  }
}

/** Whoever answers what was not asked would have it taken for the answer to the next question. */
function onUnasked(this: unknown, event: Event): void {
  const stream = event.target as Stream
  stream.abort(new ShoalError('ERR_PROTOCOL', 'a DHT node answered what it was not asked'))
}

function close(stream: Stream): void {
  stream.close({ signal: AbortSignal.timeout(KEEP_MS) }).catch((err: Error) => stream.abort(err))
}

export function keepStreams(dht: KadDHT): KadDHT {
  const { network } = dht as unknown as { network: NetworkView }
  const { connectionManager } = network.components
  const kept = new KeptStreams((peer, protocol, options) => connectionManager.openStream(peer, protocol, options))
  const keeping = Object.create(connectionManager, {
    openStream: {
      value: (peer: PeerId, protocol: string | string[], options?: object) => kept.lease(peer, protocol, options)
    }
  })
  network.components = Object.create(network.components, { connectionManager: { value: keeping } })
  return dht
}
