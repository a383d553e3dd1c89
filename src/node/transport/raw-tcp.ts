/**
 * The socket under a TCP connection of libp2p, which @libp2p/tcp keeps to itself. Who has it can let the runtime's own
 * TLS read and write it without a detour through JavaScript.
 */
import { Socket } from 'node:net'
import type { AbortOptions, MessageStream } from '@libp2p/interface'
import { Uint8ArrayList } from 'uint8arraylist'
import { ShoalError } from '../../base/errors.ts'

/** What happens to the socket, once it is somebody else's, when libp2p ends the connection. */
export interface SocketOwner {
  /** Writes out what is queued, then closes the socket; resolves when it is closed. */
  close(options?: AbortOptions): Promise<void>
  /** True once `close` began to shut the socket down: it can then be destroyed, but no longer be reset. */
  readonly isEnding: boolean
}

export interface RawTcp {
  readonly socket: Socket
  /** Resolves when all that the connection was given to send lies in the kernel. */
  sent(signal: AbortSignal): Promise<void>
  /**
   * From now on the connection reads nothing from the socket, and closes it through the owner; errors, inactivity and
   * the end of the socket still end the connection. Bytes that it read and nobody took go back into the socket, so the
   * new reader must be attached in the same turn of the event loop.
   */
  handOver(owner: SocketOwner): void
}

/** What a connection of @libp2p/tcp has, beyond its published type. */
interface TcpView {
  socket: Socket
  readBuffer: Uint8ArrayList
  sendClose: (options?: AbortOptions) => Promise<void>
  sendReset: () => void
}

/** Undefined for anything but a plain TCP connection: a protected or relayed one, or a TCP that is built otherwise. */
export function rawTcp(stream: MessageStream): RawTcp | undefined {
  if (!isTcp(stream)) return undefined
  const { socket } = stream
  return {
    socket,
    sent: signal => sent(stream, signal),
    handOver: owner => {
      // A flowing socket without listeners throws away what it reads.
      socket.pause()
      socket.removeAllListeners('data')
      if (stream.readBuffer.byteLength > 0) {
        socket.unshift(stream.readBuffer.subarray())
        stream.readBuffer.consume(stream.readBuffer.byteLength)
      }
      const reset = stream.sendReset.bind(stream)
      stream.sendClose = options => owner.close(options)
      stream.sendReset = () => {
        if (owner.isEnding) socket.destroy()
        else reset()
      }
    }
  }
}

function isTcp(stream: MessageStream): stream is MessageStream & TcpView {
  return (
    'socket' in stream &&
    stream.socket instanceof Socket &&
    'readBuffer' in stream &&
    stream.readBuffer instanceof Uint8ArrayList &&
    'sendClose' in stream &&
    typeof stream.sendClose === 'function' &&
    'sendReset' in stream &&
    typeof stream.sendReset === 'function'
  )
}

async function sent(stream: MessageStream & TcpView, signal: AbortSignal): Promise<void> {
  const { socket } = stream
  while (stream.writeBufferLength > 0 || socket.writableLength > 0) {
    await new Promise<void>((resolve, reject) => {
      const settle = (err?: unknown) => {
        signal.removeEventListener('abort', onAbort)
        stream.removeEventListener('idle', onMore)
        stream.removeEventListener('close', onClose)
        if (err === undefined) resolve()
        else reject(err)
      }
      const onMore = () => settle()
      const onAbort = () => settle(signal.reason)
      const onClose = () => settle(new ShoalError('ERR_UNREACHABLE', 'the connection closed before the handshake'))
      signal.addEventListener('abort', onAbort)
      stream.addEventListener('close', onClose)
      if (signal.aborted) onAbort()
      else if (stream.status !== 'open') onClose()
      else if (stream.writeBufferLength > 0) stream.addEventListener('idle', onMore)
      // is called when all before it was written
      else socket.write(new Uint8Array(0), onMore)
    })
  }
}
