import type { MessageStream, StreamMuxerFactory } from '@libp2p/interface'
import { PROTOCOL, type YamuxInit, YamuxMuxer } from './muxer.ts'

/** As `yamux()` of @chainsafe/libp2p-yamux, for `streamMuxers` of libp2p. */
export function leanYamux(init: YamuxInit = {}): () => StreamMuxerFactory<YamuxMuxer> {
  return () => ({
    protocol: PROTOCOL,
    createStreamMuxer: (connection: MessageStream) => new YamuxMuxer(connection, init)
  })
}
