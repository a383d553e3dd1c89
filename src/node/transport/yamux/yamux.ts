import type { MessageStream, StreamMuxerFactory } from '@libp2p/interface'
import { PROTOCOL, YamuxMuxer } from './muxer.ts'
import type { YamuxInit } from './yamux-init.ts'

/** As `yamux()` of @chainsafe/libp2p-yamux, for `streamMuxers` of libp2p. */
export function leanYamux(init: YamuxInit = {}): () => StreamMuxerFactory<YamuxMuxer> {
  return () => ({
    protocol: PROTOCOL,
    createStreamMuxer: (connection: MessageStream) => new YamuxMuxer(connection, init)
  })
}
