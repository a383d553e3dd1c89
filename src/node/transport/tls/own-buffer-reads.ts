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

/** Less is copied sooner than each of its parts is read by itself. */
const MIN_ROOM_BYTES = 4 * 1024

interface UserBufferHandle {
  useUserBuffer(buffer: Uint8Array): void
}

/**
 * From now on each part that arrives goes to `onBytes`, what was read before first. It is the callee's until it
 * returns: the next part overwrites it. After `pause()` a few more may come.
 *
 * @param roomForNext memory for the next part, where it has a place already; see DirectStream
 * @returns false, with nothing done, where the socket is built otherwise
 */
export function readIntoOwnBuffer(
  socket: TLSSocket,
  onBytes: (bytes: Uint8Array) => void,
  roomForNext: () => Uint8Array | undefined = () => undefined
): boolean {
  const symbols = new Map(Object.getOwnPropertySymbols(socket).map(symbol => [symbol.description, symbol]))
  const buffer = symbols.get('kBuffer')
  const callback = symbols.get('kBufferCb')
  const next = symbols.get('kBufferGen')
  const handle = handleOf(socket)
  if (buffer === undefined || callback === undefined || next === undefined || handle === undefined) return false
  for (let waiting: unknown = socket.read(); waiting instanceof Uint8Array; waiting = socket.read()) onBytes(waiting)
  const own = new Uint8Array(BUFFER_BYTES)
  const reader = new RoomReader(onBytes)
  Object.assign(socket, {
    [buffer]: own,
    [callback]: (length: number, memory: Uint8Array) => {
      if (memory === own) onBytes(own.subarray(0, length))
      else reader.filled(length)
      return true
    },
    [next]: () => {
      const rest = reader.rest()
      if (rest !== undefined) return rest
      const room = roomForNext()
      return room !== undefined && room.byteLength >= MIN_ROOM_BYTES ? reader.fill(room) : own
    }
  })
  handle.useUserBuffer(own)
  socket.resume()
  return true
}

/**
 * Fills a room with one record after the other, and tells of all that came in one turn of the event loop at once. What a
 * connection ends with in the middle of a room may not be told of: whose room it was lacks its end.
 */
class RoomReader {
  readonly #onBytes: (bytes: Uint8Array) => void
  #room: Uint8Array | undefined
  /** Bytes at its front that were not told of. */
  #untold = 0
  #telling: NodeJS.Immediate | undefined

  constructor(onBytes: (bytes: Uint8Array) => void) {
    this.#onBytes = onBytes
  }

  fill(room: Uint8Array): Uint8Array {
    this.#room = room
    return room
  }

  filled(length: number): void {
    this.#untold += length
    if (this.#untold === this.#room?.byteLength) this.#tell()
    else this.#telling ??= setImmediate(() => this.#tell())
  }

  /** What is left to fill. */
  rest(): Uint8Array | undefined {
    return this.#room?.subarray(this.#untold)
  }

  #tell(): void {
    clearImmediate(this.#telling)
    this.#telling = undefined
    const told = this.#room?.subarray(0, this.#untold)
    const rest = this.#room?.subarray(this.#untold)
    this.#room = rest?.byteLength === 0 ? undefined : rest
    this.#untold = 0
    if (told !== undefined && told.byteLength > 0) this.#onBytes(told)
  }
}

function handleOf(socket: object): UserBufferHandle | undefined {
  if (!('_handle' in socket)) return undefined
  const handle = socket._handle
  if (typeof handle !== 'object' || handle === null) return undefined
  if (!('useUserBuffer' in handle) || typeof handle.useUserBuffer !== 'function') return undefined
  return handle as UserBufferHandle
}
