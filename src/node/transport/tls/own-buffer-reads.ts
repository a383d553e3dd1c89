/**
 * Reads of a TLS socket into memory that is used again. A socket with a `data` listener makes an array buffer for each
 * record of 16 KiB, 65,536 for a GiB, and the collector goes through the whole heap again and again for them: with the
 * swarm above, that was a quarter of all that a leecher's process spent.
 *
 * `onread` of `net.connect` is this very thing. `tls.connect` leaves it out for a socket that exists already, though
 * its parts are there; here they are set the way in which the constructor of net.Socket sets them.
 */
import type { TLSSocket } from 'node:tls'

/** The plain text of the largest record, RFC 8446, 5.1; more is never given out at once. */
const BUFFER_BYTES = 16 * 1024

interface UserBufferHandle {
  useUserBuffer(buffer: Uint8Array): void
}

/**
 * From now on each part that arrives goes to `onBytes`, what was read before first. It is the callee's until it
 * returns: the next part overwrites it. After `pause()` a few more may come.
 *
 * @returns false, with nothing done, where the socket is built otherwise
 */
export function readIntoOwnBuffer(socket: TLSSocket, onBytes: (bytes: Uint8Array) => void): boolean {
  const symbols = new Map(Object.getOwnPropertySymbols(socket).map(symbol => [symbol.description, symbol]))
  const buffer = symbols.get('kBuffer')
  const callback = symbols.get('kBufferCb')
  const handle = handleOf(socket)
  if (buffer === undefined || callback === undefined || handle === undefined) return false
  for (let waiting: unknown = socket.read(); waiting instanceof Uint8Array; waiting = socket.read()) onBytes(waiting)
  const own = new Uint8Array(BUFFER_BYTES)
  Object.assign(socket, {
    [buffer]: own,
    [callback]: (length: number) => {
      onBytes(own.subarray(0, length))
      return true
    }
  })
  handle.useUserBuffer(own)
  socket.resume()
  return true
}

function handleOf(socket: object): UserBufferHandle | undefined {
  if (!('_handle' in socket)) return undefined
  const handle = socket._handle
  if (typeof handle !== 'object' || handle === null) return undefined
  if (!('useUserBuffer' in handle) || typeof handle.useUserBuffer !== 'function') return undefined
  return handle as UserBufferHandle
}
