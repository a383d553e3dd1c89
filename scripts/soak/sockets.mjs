/**
 * Which node of this process owns which socket: what each sent and received, and a way to make one fall silent as a
 * machine does whose cable was pulled. Many nodes live in one process here, so the operating system cannot tell.
 *
 * A socket belongs to whoever's asynchronous context made it: a server's connections to where the server was opened, a
 * dial to the work that asked for it. So everything of a node must be started inside `run`.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'

/** @typedef {import('node:net').Socket} Socket */
/** @typedef {{ sent: number, received: number }} Bytes */

const CHANNELS = ['net.client.socket', 'net.server.socket']

export class SocketLedger {
  /** @type {AsyncLocalStorage<string>} */
  #owner = new AsyncLocalStorage()
  /** Open ones. @type {Map<string, Set<Socket>>} */
  #sockets = new Map()
  /** Of closed ones. @type {Map<string, Bytes>} */
  #past = new Map()
  /** @type {Set<string>} */
  #silent = new Set()
  /** @type {Set<string>} */
  #held = new Set()

  constructor() {
    for (const channel of CHANNELS) subscribe(channel, this.#onSocket)
  }

  close() {
    for (const channel of CHANNELS) unsubscribe(channel, this.#onSocket)
  }

  /** @template T @param {string} owner @param {() => T} work @returns {T} */
  run(owner, work) {
    return this.#owner.run(owner, work)
  }

  /** From now on the owner's sockets take nothing in and send nothing out, and stay open. @param {string} owner */
  silence(owner) {
    this.#silent.add(owner)
    for (const socket of this.#sockets.get(owner) ?? []) mute(socket)
  }

  /**
   * The owner's sockets take nothing in and send nothing out until `release`, as if the machine slept: nothing is lost.
   * @param {string} owner
   */
  hold(owner) {
    this.#held.add(owner)
    for (const socket of this.#sockets.get(owner) ?? []) hold(socket)
  }

  /** @param {string} owner one that is held */
  release(owner) {
    this.#held.delete(owner)
    for (const socket of this.#sockets.get(owner) ?? []) release(socket)
  }

  /** @param {string} owner @returns {Bytes} of open and closed sockets */
  bytesOf(owner) {
    const total = { ...(this.#past.get(owner) ?? { sent: 0, received: 0 }) }
    for (const socket of this.#sockets.get(owner) ?? []) addBytes(total, socket)
    return total
  }

  /** @param {string} owner */
  openOf(owner) {
    return this.#sockets.get(owner)?.size ?? 0
  }

  /** Forgets an owner that is gone for good, and closes what it left open. @param {string} owner */
  forget(owner) {
    for (const socket of this.#sockets.get(owner) ?? []) socket.destroy()
    this.#sockets.delete(owner)
    this.#past.delete(owner)
    this.#silent.delete(owner)
    this.#held.delete(owner)
  }

  /** @param {unknown} message */
  #onSocket = message => {
    const owner = this.#owner.getStore()
    if (owner === undefined) return
    const { socket } = /** @type {{ socket: Socket }} */ (message)
    const open = this.#sockets.get(owner) ?? new Set()
    this.#sockets.set(owner, open)
    open.add(socket)
    socket.once('close', () => {
      if (!open.delete(socket)) return
      const past = this.#past.get(owner) ?? { sent: 0, received: 0 }
      addBytes(past, socket)
      if (this.#sockets.get(owner) === open) this.#past.set(owner, past)
    })
    if (this.#silent.has(owner)) mute(socket)
    if (this.#held.has(owner)) hold(socket)
  }
}

/** @param {Bytes} total @param {Socket} socket */
function addBytes(total, { bytesWritten, bytesRead }) {
  total.sent += bytesWritten
  total.received += bytesRead
}

/** @param {Socket} socket */
function mute(socket) {
  socket.pause()
  socket.resume = () => socket
  socket.read = () => null
  // The writer waits for a drain that never comes, as one does whose packets nobody acknowledges.
  socket.write = () => false
}

/** @param {Socket} socket */
function hold(socket) {
  socket.pause()
  socket.cork()
  socket.resume = () => socket
  socket.read = () => null
}

/** @param {Socket} socket one that is held: the methods of its class come to light again */
function release(socket) {
  Reflect.deleteProperty(socket, 'resume')
  Reflect.deleteProperty(socket, 'read')
  socket.uncork()
  socket.resume()
}
