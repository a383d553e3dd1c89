/** What transfer/io needs of the rest of the program. src/node supplies it; tests supply their own. */
import type { Bitfield } from '../../content/bitfield.ts'
import type { PieceMap } from '../../content/piece-map.ts'
import type { PexPeer } from '../protocol/messages.ts'

/** A duplex byte stream with one peer: a libp2p stream, or a pair in memory. */
export interface PeerStream {
  readonly peerId: string
  /** The remote's address, for messages and peer exchange. */
  readonly addr: string
  readonly outbound: boolean
  /**
   * Queues all of it, in order. False: hold back until `onDrain`. Throws when the stream is closed. The chunks must not
   * change until `onConsumed` is called, which may be before this returns, and may be never. So many bytes as `headroom`
   * says, ahead of the first chunk in its memory, may be overwritten.
   */
  send(chunks: readonly Uint8Array[], onConsumed?: () => void, headroom?: number): boolean
  /** At most one handler each; set right after the stream was opened. A chunk is the receiver's until it returns. */
  onData: ((chunk: Uint8Array) => void) | undefined
  /** Where the bytes that come next belong, see DirectStream; asked by streams that can make use of it. */
  roomForNext?: (() => Uint8Array | undefined) | undefined
  onDrain: (() => void) | undefined
  onClose: ((err?: Error) => void) | undefined
  /** Sends what is queued, then closes. */
  close(): Promise<void>
  abort(err: Error): void
}

/** The bytes of one root. */
export interface PieceStorage {
  readonly pieces: PieceMap
  readonly nodeCount: number
  /** Held, verified and written. The storage's own; it changes when a write resolves or a piece is lost. */
  readonly have: Bitfield
  /**
   * [offset, offset+length) of the piece space, all of it in held pieces: a fresh buffer, the caller's, or the front of
   * `into`, which is long enough. Unless the result lies in it, `into` may be written to for some time yet. Throws
   * ERR_FILE_CHANGED.
   */
  read(offset: number, length: number, into?: Uint8Array): Promise<Uint8Array>
  /** Verified pieces first … in order, the bytes of all of them in `buffers` one after another. Resolves when written. */
  write(first: number, count: number, buffers: readonly Uint8Array[]): Promise<void>
  /** The block of a DAG node. */
  readNode(index: number): Promise<Uint8Array>
  /** Called when held pieces turn out to be lost. */
  onLost: ((pieces: readonly number[]) => void) | undefined
}

/** Takes the DAG nodes of a root in the order of their node index, checks them, and knows when they are all there. */
export interface ManifestSink {
  /** Nodes added so far: the index of the next. */
  readonly known: number
  readonly complete: boolean
  /** Throws ERR_BAD_DATA when the block is not the next node (its sender's fault), ERR_MALFORMED_ROOT when it is nonsense. */
  add(block: Uint8Array): void
}

/** Hashes on another thread. */
export interface SideHasher {
  /** SHA-256 of the parts, one after another. They lie in shared memory, and must not change meanwhile. */
  sha256(parts: readonly Uint8Array[]): Promise<Uint8Array>
}

/** Where peers of a root come from: providers, links, by hand. Ends when `signal` fires. */
export interface PeerSource {
  find(root: Uint8Array, options: { signal: AbortSignal; onFound: (peers: readonly PexPeer[]) => void }): Promise<void>
}

/** Opens swarm streams to peers. */
export interface Dialer {
  dial(peer: PexPeer, options: { signal: AbortSignal }): Promise<PeerStream>
}
