/**
 * Bounds what the other side of a connection says before both agreed on how to encrypt, and then before they agreed on
 * how to multiplex: libp2p reads there byte by byte, and a length that never ends keeps it at that until the handshake's
 * time is up, a core busy and every byte kept.
 */
import type { ConnectionEncrypter, MessageStream, SecuredConnection, StreamMuxerFactory } from '@libp2p/interface'
import { ShoalError } from '../../base/errors.ts'
import { rawTcp } from './raw-tcp.ts'

/** An offer or two of multistream-select, of at most 1 KiB each; who makes one waits for the answer. */
export const MAX_FIRST_BYTES = 16 * 1024

const watched = new WeakMap<MessageStream, () => void>()
/** Encrypted → what it was made of. */
const below = new WeakMap<MessageStream, MessageStream>()

/** The connection that this one encrypts. */
export function plainConnectionOf(connection: MessageStream): MessageStream | undefined {
  return below.get(connection)
}

/** To be called as the connection comes; whoever says more is cut off. Ends with the encryption's own handshake. */
export function boundPlainBytes(connection: MessageStream): void {
  const socket = rawTcp(connection)?.socket
  if (socket === undefined) return
  const stop = () => void socket.off('data', look)
  const look = () => {
    if (socket.bytesRead <= MAX_FIRST_BYTES) return
    stop()
    connection.abort(new ShoalError('ERR_LIMIT', 'so many bytes and no encryption agreed on'))
  }
  socket.on('data', look)
  watched.set(connection, stop)
}

/** The handshake has bounds of its own; what comes after it is bounded again. */
export function boundFirstBytes<C>(
  make: (components: C) => ConnectionEncrypter
): (components: C) => ConnectionEncrypter {
  return components => {
    const encrypter = make(components)
    const inbound = encrypter.secureInbound.bind(encrypter)
    const outbound = encrypter.secureOutbound.bind(encrypter)
    encrypter.secureInbound = async (connection, options) => {
      end(connection)
      return boundSecured(connection, await inbound(connection, options))
    }
    encrypter.secureOutbound = async (connection, options) => {
      end(connection)
      return boundSecured(connection, await outbound(connection, options))
    }
    return encrypter
  }
}

/** The muxer that was agreed on bounds what comes itself. */
export function afterFirstBytes(make: () => StreamMuxerFactory): () => StreamMuxerFactory {
  return () => {
    const factory = make()
    return {
      protocol: factory.protocol,
      createStreamMuxer: connection => {
        end(connection)
        return factory.createStreamMuxer(connection)
      }
    }
  }
}

/** What a stream of libp2p is told as bytes arrive, beyond its published type. */
interface Receiver {
  onData(data: { byteLength: number }): void
}

/** One whose muxer was agreed on amid the handshake is bounded by that from its first byte. */
function boundSecured<S extends SecuredConnection>(plain: MessageStream, secured: S): S {
  below.set(secured.connection, plain)
  if (secured.streamMuxer !== undefined) return secured
  const { connection } = secured
  const receiver = connection as unknown as Receiver
  const take = receiver.onData.bind(connection)
  // what came with the end of the handshake
  let bytes = connection.readBufferLength
  const stop = () => {
    receiver.onData = take
  }
  const isTooMuch = () => {
    if (bytes <= MAX_FIRST_BYTES) return false
    stop()
    connection.abort(new ShoalError('ERR_LIMIT', 'so many bytes and no muxer agreed on'))
    return true
  }
  receiver.onData = data => {
    bytes += data.byteLength
    if (!isTooMuch()) take(data)
  }
  watched.set(connection, stop)
  isTooMuch()
  return secured
}

function end(connection: MessageStream): void {
  watched.get(connection)?.()
  watched.delete(connection)
}
