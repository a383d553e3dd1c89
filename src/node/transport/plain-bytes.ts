/**
 * Bounds what the other side of a connection says before both agreed on how to encrypt: libp2p reads there byte by byte,
 * and a length that never ends keeps it at that until the handshake's time is up, a core busy and every byte kept.
 */
import type { ConnectionEncrypter, MessageStream } from '@libp2p/interface'
import { ShoalError } from '../../base/errors.ts'
import { rawTcp } from './raw-tcp.ts'

/** An offer or two of multistream-select, of at most 1 KiB each; who makes one waits for the answer. */
export const MAX_PLAIN_BYTES = 16 * 1024

const watched = new WeakMap<MessageStream, () => void>()

/** To be called as the connection comes; whoever says more is cut off. Ends with the encryption's own handshake. */
export function boundPlainBytes(connection: MessageStream): void {
  const socket = rawTcp(connection)?.socket
  if (socket === undefined) return
  const stop = () => void socket.off('data', look)
  const look = () => {
    if (socket.bytesRead <= MAX_PLAIN_BYTES) return
    stop()
    connection.abort(new ShoalError('ERR_LIMIT', 'so many bytes and no encryption agreed on'))
  }
  socket.on('data', look)
  watched.set(connection, stop)
}

/** The handshake has bounds of its own. */
export function afterPlainBytes<C>(
  make: (components: C) => ConnectionEncrypter
): (components: C) => ConnectionEncrypter {
  return components => {
    const encrypter = make(components)
    const inbound = encrypter.secureInbound.bind(encrypter)
    const outbound = encrypter.secureOutbound.bind(encrypter)
    encrypter.secureInbound = (connection, options) => {
      watched.get(connection)?.()
      return inbound(connection, options)
    }
    encrypter.secureOutbound = (connection, options) => {
      watched.get(connection)?.()
      return outbound(connection, options)
    }
    return encrypter
  }
}
