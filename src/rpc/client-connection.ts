/** The client's end of the control socket: requests out, events and answers in. */
import type { Socket } from 'node:net'
import { abortError, ShoalError } from '../base/errors.ts'
import { LineDecoder, LineTooLong } from './lines.ts'
import { fromWireError, MAX_ANSWER_LINE_BYTES, type Params, parseServerMessage } from './messages.ts'

export interface CallOptions {
  signal?: AbortSignal | undefined
  onEvent?: (event: string, data: unknown) => void
}

interface Call {
  resolve(result: unknown): void
  reject(err: Error): void
  onEvent: ((event: string, data: unknown) => void) | undefined
}

/** Invariant: a call is in `#calls` until it is answered, aborted, or the connection is gone. */
export class ClientConnection {
  readonly #socket: Socket
  readonly #decoder = new LineDecoder(MAX_ANSWER_LINE_BYTES)
  readonly #calls = new Map<number, Call>()
  #nextId = 1
  #lost: Error | undefined

  constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', chunk => this.#receive(chunk))
    socket.on('error', () => {})
    socket.on('close', () => this.#lose(stoppedError()))
    // it may have ended while it was looked at, and says so only once
    if (socket.destroyed) this.#lose(stoppedError())
  }

  /**
   * Resolves with the other side's result. An abort sends a cancel and rejects at once.
   * @throws what the other side threw, with its code; ERR_ABORTED; ERR_BAD_NUMBER, a parameter is not finite; ERR_NOT_RUNNING when the connection is lost
   */
  async call<T>(method: string, params: Params, { signal, onEvent }: CallOptions = {}): Promise<T> {
    if (signal?.aborted === true) throw abortError(signal)
    if (this.#lost !== undefined) throw this.#lost
    const id = this.#nextId++
    let onAbort = () => {}
    try {
      const result = await new Promise<unknown>((resolve, reject) => {
        this.#calls.set(id, { resolve, reject, onEvent })
        onAbort = () => {
          this.#write({ id, cancel: true })
          reject(abortError(signal))
        }
        signal?.addEventListener('abort', onAbort, { once: true })
        this.#write({ id, method, params })
      })
      return result as T
    } finally {
      signal?.removeEventListener('abort', onAbort)
      this.#calls.delete(id)
    }
  }

  /** @param reason what calls that still run are rejected with */
  close(reason: Error = abortError()): void {
    this.#lose(reason)
    this.#socket.end(() => this.#socket.destroy())
  }

  #receive(chunk: Buffer): void {
    try {
      for (const line of this.#decoder.push(chunk)) this.#handle(line)
    } catch (cause) {
      const what = cause instanceof LineTooLong ? 'is too long' : 'makes no sense'
      this.#lose(new ShoalError('ERR_RPC', `the running node sent an answer that ${what}`, { cause }))
      this.#socket.destroy()
    }
  }

  #handle(line: string): void {
    const message = parseServerMessage(line)
    if (message === undefined) return
    if ('error' in message && message.id === null) {
      this.#lose(fromWireError(message.error))
      return
    }
    const call = typeof message.id === 'number' ? this.#calls.get(message.id) : undefined
    if (call === undefined) return
    if ('event' in message) call.onEvent?.(message.event, message.data)
    else if ('error' in message) call.reject(fromWireError(message.error))
    else call.resolve(message.result)
  }

  #write(message: object): void {
    if (this.#socket.writable) this.#socket.write(`${JSON.stringify(message, onlyFinite)}\n`)
  }

  #lose(reason: Error): void {
    this.#lost ??= reason
    for (const call of this.#calls.values()) call.reject(this.#lost)
    this.#calls.clear()
  }
}

/** JSON makes null of them, which as a limit means none. */
function onlyFinite(name: string, value: unknown): unknown {
  if (typeof value !== 'number' || Number.isFinite(value)) return value
  throw new ShoalError('ERR_BAD_NUMBER', `${name} is no number: ${value}`)
}

function stoppedError(): ShoalError {
  return new ShoalError('ERR_NOT_RUNNING', 'the running node stopped before it was done', {
    hint: 'run the same command again to continue'
  })
}
