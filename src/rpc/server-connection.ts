/** One client of the control socket, as the server sees it. */
import type { Socket } from 'node:net'
import { ShoalError } from '../base/errors.ts'
import type { Logger } from '../base/log.ts'
import { MIB } from '../base/units.ts'
import type { ShoalNode } from '../node/api.ts'
import { LineDecoder } from './lines.ts'
import {
  MAX_REQUEST_LINE_BYTES,
  MAX_REQUESTS_PER_CONNECTION,
  type NodeInfo,
  type Params,
  parseClientMessage,
  type RpcId,
  type ServerMessage,
  toWireError
} from './messages.ts'
import { type Method, methodNamed } from './methods.ts'

/** Answers that nobody reads: over this, no further request is read either. */
const MAX_UNREAD_ANSWER_BYTES = 4 * MIB

export interface ConnectionOptions {
  node: ShoalNode
  info: NodeInfo
  log: Logger
}

interface Running {
  controller: AbortController
  method: Method
}

/**
 * Invariant: `#running` has an entry for each request that was not yet answered, at most
 * MAX_REQUESTS_PER_CONNECTION; `#waiting` holds at most the newest event of each name for each of them.
 */
export class ServerConnection {
  readonly #socket: Socket
  readonly #options: ConnectionOptions
  readonly #decoder = new LineDecoder(MAX_REQUEST_LINE_BYTES)
  readonly #running = new Map<RpcId, Running>()
  readonly #waiting = new Map<string, ServerMessage>()
  readonly #work = new Set<Promise<void>>()
  #closed = false

  constructor(socket: Socket, options: ConnectionOptions) {
    this.#socket = socket
    this.#options = options
    socket.on('data', chunk => this.#receive(chunk))
    socket.on('drain', () => this.#drained())
    socket.on('error', err => options.log.debug('control connection: %s', err.message))
    socket.on('close', () => this.#lost())
  }

  /** Cancels what runs and resolves when all of it has answered. */
  async stop(reason: ShoalError): Promise<void> {
    this.#closed = true
    for (const { controller } of this.#running.values()) controller.abort(reason)
    await this.settled()
  }

  /** Resolves when nothing that came over this connection runs any more; what was handed over may outlive it. */
  async settled(): Promise<void> {
    await Promise.all(this.#work)
  }

  /** Flushes the answers, then closes; a client that reads nothing is cut off after `graceMs`. */
  end(graceMs: number): void {
    this.#socket.end()
    const timer = setTimeout(() => this.#socket.destroy(), graceMs)
    this.#socket.on('close', () => clearTimeout(timer))
  }

  #receive(chunk: Buffer): void {
    if (this.#closed) return
    try {
      for (const line of this.#decoder.push(chunk)) {
        this.#handle(line)
        if (this.#closed) return
      }
    } catch (err) {
      this.#refuse(err instanceof Error ? err.message : String(err))
    }
  }

  #handle(line: string): void {
    const message = parseClientMessage(line)
    switch (message.kind) {
      case 'cancel':
        this.#running.get(message.id)?.controller.abort()
        return
      case 'invalid': {
        if (message.id === null) this.#refuse(message.problem)
        else this.#fail(message.id, message.problem)
        return
      }
      case 'request':
        this.#start(message.id, message.method, message.params)
        return
      default:
        message satisfies never
    }
  }

  #start(id: RpcId, name: string, params: Params): void {
    const method = methodNamed(name)
    if (method === undefined) {
      this.#fail(id, `unknown method ${JSON.stringify(name.slice(0, 64))}`)
      return
    }
    if (this.#running.has(id)) {
      this.#fail(id, 'a request with this id is running')
      return
    }
    if (this.#running.size >= MAX_REQUESTS_PER_CONNECTION) {
      this.#fail(id, `more than ${MAX_REQUESTS_PER_CONNECTION} requests at once`)
      return
    }
    const controller = new AbortController()
    this.#running.set(id, { controller, method })
    const work = this.#run(id, method, params, controller.signal).finally(() => this.#work.delete(work))
    this.#work.add(work)
  }

  /** Never rejects: a failure is the answer. */
  async #run(id: RpcId, method: Method, params: Params, signal: AbortSignal): Promise<void> {
    let answer: ServerMessage
    try {
      const { node, info } = this.#options
      const emit = (event: string, data: unknown) => this.#emit(id, event, data)
      const result = await method.run({ node, info, params, signal, emit })
      answer = { id, result: result ?? null }
    } catch (err) {
      answer = { id, error: toWireError(endedBy(signal, err)) }
    }
    this.#running.delete(id)
    for (const key of this.#waiting.keys()) {
      if (key.startsWith(keyPrefix(id))) this.#waiting.delete(key)
    }
    this.#send(answer)
  }

  /** Progress only counts when it is new: a reader that is behind gets the newest of each name once it has caught up. */
  #emit(id: RpcId, event: string, data: unknown): void {
    if (!this.#running.has(id)) return
    const message = { id, event, data }
    if (this.#socket.writableNeedDrain) {
      const key = keyPrefix(id) + event
      this.#waiting.delete(key)
      this.#waiting.set(key, message)
    } else {
      this.#send(message)
    }
  }

  #drained(): void {
    for (const [key, message] of this.#waiting) {
      if (this.#socket.writableNeedDrain) return
      this.#waiting.delete(key)
      this.#send(message)
    }
    if (this.#socket.isPaused()) this.#socket.resume()
  }

  #send(message: ServerMessage): void {
    if (!this.#socket.writable) return
    this.#socket.write(`${JSON.stringify(message)}\n`)
    if (this.#socket.writableLength > MAX_UNREAD_ANSWER_BYTES) this.#socket.pause()
  }

  #fail(id: RpcId | null, problem: string): void {
    this.#send({ id, error: toWireError(new ShoalError('ERR_RPC', problem)) })
  }

  /** For what is no message at all: says so once and hangs up, since the rest of the stream makes no sense either. */
  #refuse(problem: string): void {
    this.#closed = true
    this.#fail(null, problem)
    this.#socket.end()
    this.#lost()
  }

  #lost(): void {
    this.#closed = true
    this.#waiting.clear()
    for (const { controller, method } of this.#running.values()) {
      if (method.outlivesRequester !== true) controller.abort()
    }
  }
}

function keyPrefix(id: RpcId): string {
  return `${JSON.stringify(id)} `
}

/** A fetch that was cut short reports ERR_ABORTED; whoever asked wants to know by what. */
function endedBy(signal: AbortSignal, err: unknown): unknown {
  const reason: unknown = signal.reason
  const aborted = err instanceof ShoalError && err.code === 'ERR_ABORTED'
  return signal.aborted && aborted && reason instanceof ShoalError ? reason : err
}
