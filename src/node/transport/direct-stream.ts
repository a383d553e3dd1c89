/**
 * A way past libp2p's events: the layers of one connection that are ours (TLS, yamux, the swarm's stream) hand chunks
 * to each other by a call, without a list to append to, cut and copy at each of them.
 */
export interface DirectStream {
  /**
   * As `send` of a libp2p stream: false means that the caller waits for `drain`; what it gave was taken all the same.
   * The chunks are not copied and must not change until `onConsumed` is called, which may be before this returns, and
   * may be never: then they are left to the collector.
   * @param headroom so many bytes ahead of the first chunk, in its memory, are nobody's: a layer may put its header there
   * @throws once the stream is closed for writing
   */
  sendChunks(chunks: readonly Uint8Array[], onConsumed?: () => void, headroom?: number): boolean
  /**
   * Where it is set, inbound bytes go there in place of `message` events: first what was buffered before, in order.
   * A chunk is the receiver's until it returns: what it keeps it copies.
   */
  onChunk: ((chunk: Uint8Array) => void) | undefined
  /**
   * Where it is set, a stream that can make use of it asks it before bytes are read: memory in which those that come
   * next belong, so that nobody needs to copy them there. They still go to `onChunk`, as a view of it. More than it holds
   * is never read at once, and it may be written to until the next bytes have come, even if the receiver has no use for
   * them any more.
   */
  roomForNext?: (() => Uint8Array | undefined) | undefined
}

export function isDirectStream<Stream extends object>(stream: Stream): stream is Stream & DirectStream {
  return 'sendChunks' in stream && typeof stream.sendChunks === 'function' && 'onChunk' in stream
}
