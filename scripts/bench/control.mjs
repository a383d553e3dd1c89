/** Asks a running node over its control socket (docs/cli.md, "Local control"). */
import { connect } from 'node:net'
import { createInterface } from 'node:readline'

export class Control {
  #socket
  #nextId = 1
  /** @type {Map<number, { resolve: (result: any) => void, reject: (err: Error) => void }>} */
  #calls = new Map()

  /** @param {string} dataDir whose path is short enough for a socket */
  constructor(dataDir) {
    this.#socket = connect(`${dataDir}/control.sock`)
    this.#socket.on('error', err => this.#fail(err))
    this.#socket.on('close', () => this.#fail(new Error('the node has gone')))
    createInterface({ input: this.#socket })
      .on('line', line => {
        const { id, result, error } = JSON.parse(line)
        const call = this.#calls.get(id)
        this.#calls.delete(id)
        if (error === undefined) call?.resolve(result)
        else call?.reject(new Error(error.message))
      })
      .on('error', () => {})
  }

  /** @param {string} method @param {object} [params] @returns {Promise<any>} */
  call(method, params = {}) {
    return new Promise((resolve, reject) => {
      const id = this.#nextId++
      this.#calls.set(id, { resolve, reject })
      this.#socket.write(`${JSON.stringify({ id, method, params })}\n`)
    })
  }

  close() {
    this.#socket.destroy()
  }

  /** @param {Error} err */
  #fail(err) {
    for (const { reject } of this.#calls.values()) reject(err)
    this.#calls.clear()
  }
}
