/** Bounds the streams without a protocol of a muxer that does not do so itself. */
import type { MessageStream, Stream, StreamMuxer, StreamMuxerEvents, StreamMuxerFactory } from '@libp2p/interface'
import { ShoalError } from '../../base/errors.ts'
import type { Unnegotiated } from './unnegotiated.ts'
import { GO_AWAY_GRACE_MS } from './yamux/limits.ts'
import { PeerBudget } from './yamux/peer-budget.ts'

/** Streams beyond the limit are reset before anybody hears of them; who goes on with it loses the connection. */
export function boundStreams(
  make: () => StreamMuxerFactory,
  unnegotiated: Unnegotiated,
  onOffence?: (connection: MessageStream) => void
): () => StreamMuxerFactory {
  return () => {
    const factory = make()
    return {
      protocol: factory.protocol,
      createStreamMuxer: connection => bound(factory.createStreamMuxer(connection), connection, unnegotiated, onOffence)
    }
  }
}

function bound(
  muxer: StreamMuxer,
  connection: MessageStream,
  unnegotiated: Unnegotiated,
  onOffence?: (connection: MessageStream) => void
): StreamMuxer {
  const own = unnegotiated.ofConnection()
  const budget = new PeerBudget()
  const isTaken = (stream: Stream) => {
    try {
      budget.openedStream()
      if (!own.isFull) {
        own.came(stream)
        return true
      }
      stream.abort(new ShoalError('ERR_LIMIT', 'too many streams that do not say what they are for'))
      budget.refusedStream()
    } catch (err) {
      const reason = err instanceof Error ? err : new ShoalError('ERR_BUG', String(err))
      onOffence?.(connection)
      muxer.abort(reason)
      // a reset would overtake the reason
      setTimeout(() => connection.abort(reason), GO_AWAY_GRACE_MS).unref()
    }
    return false
  }
  // Whoever listens for streams is told of those alone that were taken. A listener of our own would not do: the muxer
  // keeps streams that come early until somebody listens.
  const add = muxer.addEventListener.bind(muxer)
  muxer.addEventListener = (type, listener, options) => {
    if (listener === null || type !== 'stream') {
      add(type, listener, options)
      return
    }
    const tell = (event: StreamMuxerEvents['stream']) => {
      if (!isTaken(event.detail)) return
      if (typeof listener === 'function') listener(event)
      else listener.handleEvent(event)
    }
    add('stream', tell, options)
  }
  return muxer
}
