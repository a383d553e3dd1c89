/**
 * A temporary folder and the processes that were started in it. `close` ends them all and removes the folder; it is
 * called on every way out: success, failure, time-out, SIGINT, SIGTERM, SIGHUP. Only processes started here are ended.
 */
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { cli } from './checkout.mjs'
import { Program } from './program.mjs'

const GRACE_MS = 5000
const SIGNAL_CODES = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 }

export class Lab {
  /** @type {string} */
  folder
  /** @type {Program[]} */
  #programs = []
  #controller = new AbortController()
  /** @type {Promise<void> | undefined} */
  #closing

  #graceMs

  /**
   * @param {string} name of the temporary folder
   * @param {{ graceMs?: number }} [options] how long a process may take to end by itself when asked
   */
  constructor(name, { graceMs = GRACE_MS } = {}) {
    this.#graceMs = graceMs
    this.folder = mkdtempSync(join(tmpdir(), `${name}-`))
  }

  /** Fires when the lab is told to stop: by a signal, or by `abort`. */
  get signal() {
    return this.#controller.signal
  }

  /** @param {Error} reason */
  abort(reason) {
    this.#controller.abort(reason)
  }

  /** @param {...string} parts */
  path(...parts) {
    return join(this.folder, ...parts)
  }

  /**
   * Starts the program with `--json`.
   * @param {string} label
   * @param {readonly string[]} args
   */
  shoal(label, args) {
    return this.run(label, process.execPath, [cli, ...args, '--json'])
  }

  /**
   * @param {string} label
   * @param {string} command
   * @param {readonly string[]} args
   */
  run(label, command, args) {
    this.signal.throwIfAborted()
    const program = new Program(label, command, args)
    this.#programs.push(program)
    return program
  }

  /** All that were ever started. @type {readonly Program[]} */
  get programs() {
    return this.#programs
  }

  /** Processes that have not ended. */
  get alive() {
    return this.#programs.filter(program => program.ended === undefined)
  }

  /**
   * Ends every process and removes the folder. Calling it again waits for the first call.
   * @returns {Promise<void>}
   */
  close() {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close() {
    for (const program of this.alive) program.kill('SIGTERM')
    await Promise.race([
      Promise.all(this.alive.map(program => program.end)),
      sleep(this.#graceMs, undefined, { ref: false })
    ])
    for (const program of this.alive) program.kill('SIGKILL')
    await Promise.all(this.alive.map(program => program.end))
    await rm(this.folder, { recursive: true, force: true, maxRetries: 3 })
  }

  /** The last resort, when nothing may be awaited any more. */
  closeNow() {
    for (const program of this.alive) program.kill('SIGKILL')
    if (existsSync(this.folder)) rmSync(this.folder, { recursive: true, force: true, maxRetries: 3 })
  }

  /**
   * Runs `work`, and cleans up whatever happens. The first signal aborts `signal` and lets `work` reject; a second one
   * does not wait. Sets the exit code of a failure.
   *
   * @param {{ timeoutMs: number, work: () => Promise<void>, onFailure: (err: unknown) => void }} options
   * @returns {Promise<boolean>} whether `work` succeeded
   */
  async main({ timeoutMs, work, onFailure }) {
    const onExit = () => this.closeNow()
    process.once('exit', onExit)
    for (const [name, code] of Object.entries(SIGNAL_CODES)) {
      process.on(name, () => {
        if (this.signal.aborted) process.exit(code)
        process.exitCode = code
        this.abort(new Error(`stopped by ${name}`))
      })
    }
    const timer = setTimeout(() => this.abort(new Error(`not done after ${timeoutMs / 1000} s`)), timeoutMs)
    /** @type {Promise<never>} */
    const aborted = new Promise((_, reject) => {
      this.signal.addEventListener('abort', () => reject(this.signal.reason), { once: true })
    })
    const working = work()
    try {
      await Promise.race([working, aborted])
      return true
    } catch (err) {
      process.exitCode ||= 1
      onFailure(err)
      this.abort(new Error('failed'))
      return false
    } finally {
      clearTimeout(timer)
      await this.close()
      // What hung on a process has seen its end by now.
      await Promise.race([working.catch(() => {}), sleep(1000)])
    }
  }
}
