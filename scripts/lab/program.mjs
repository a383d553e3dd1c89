/**
 * One run of the command line program, as a process of its own: its JSON lines, its end, its memory. `Lab` starts them
 * and knows all that are alive.
 */
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'

/** @typedef {{ event: string, [key: string]: any }} Line one JSON line of the program */
/** @typedef {{ code: number | null, signal: NodeJS.Signals | null }} End */

const KEPT_STDERR_LINES = 20

export class Program {
  /** For messages: `node 3`, `the newcomer`. @type {string} */
  label
  /** @type {import('node:child_process').ChildProcess} */
  #child
  /** @type {Line[]} */
  lines = []
  /** The last lines. @type {string[]} */
  stderr = []
  /** @type {End | undefined} */
  ended
  startedAt = performance.now()
  /** Resolves when the process is gone and all it wrote has been read. @type {Promise<End>} */
  end
  /** @type {Set<() => void>} */
  #watchers = new Set()

  /**
   * @param {string} label
   * @param {string} command
   * @param {readonly string[]} args
   */
  constructor(label, command, args) {
    this.label = label
    const { SHOAL_DATA_DIR: _ignored, ...env } = process.env
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], env })
    this.#child = child
    createInterface({ input: child.stdout }).on('line', line => this.#read(line))
    createInterface({ input: child.stderr }).on('line', line => {
      this.stderr.push(line)
      if (this.stderr.length > KEPT_STDERR_LINES) this.stderr.shift()
    })
    this.end = new Promise(resolve => {
      /** @param {End} end */
      const settle = end => {
        this.ended = end
        resolve(end)
        this.#notify()
      }
      child.once('error', err => {
        this.stderr.push(err.message)
        if (child.pid === undefined) settle({ code: null, signal: null })
      })
      child.once('close', (code, signal) => settle({ code, signal }))
    })
  }

  /** @param {string} text */
  #read(text) {
    try {
      this.lines.push({ ...JSON.parse(text), atMs: performance.now() - this.startedAt })
    } catch {
      this.stderr.push(`not JSON: ${text}`)
    }
    this.#notify()
  }

  #notify() {
    for (const watcher of [...this.#watchers]) watcher()
  }

  get pid() {
    return this.#child.pid
  }

  /** The last line of that event, if any. @param {string} event @returns {Line | undefined} */
  last(event) {
    return this.lines.findLast(line => line.event === event)
  }

  /**
   * The first line of that event. A process that ends without it, and a signal, reject.
   *
   * @param {string} event
   * @param {{ signal?: AbortSignal | undefined }} [options]
   * @returns {Promise<Line>}
   */
  event(event, { signal } = {}) {
    return new Promise((resolve, reject) => {
      const look = () => {
        const line = this.lines.find(candidate => candidate.event === event)
        if (line !== undefined) settle(() => resolve(line))
        else if (this.ended !== undefined) settle(() => reject(this.failure(`ended without "${event}"`)))
        else if (signal?.aborted === true) settle(() => reject(signal.reason))
      }
      /** @param {() => void} action */
      const settle = action => {
        this.#watchers.delete(look)
        signal?.removeEventListener('abort', look)
        action()
      }
      this.#watchers.add(look)
      signal?.addEventListener('abort', look)
      look()
    })
  }

  /**
   * Waits for the end of a command that must succeed.
   * @param {{ signal?: AbortSignal | undefined }} [options]
   */
  async success({ signal } = {}) {
    /** @type {() => void} */
    let stopListening = () => {}
    const aborted = new Promise((_, reject) => {
      const onAbort = () => reject(signal?.reason)
      signal?.addEventListener('abort', onAbort)
      stopListening = () => signal?.removeEventListener('abort', onAbort)
      if (signal?.aborted === true) onAbort()
    })
    try {
      await Promise.race([this.end, aborted])
    } finally {
      stopListening()
    }
    if (this.ended?.code !== 0) throw this.failure('failed')
  }

  /** The newest progress of a fetch. @returns {{ have: number, size: number, peers: number }} */
  get progress() {
    const { have = 0, size = 0, peers = 0 } = this.last('progress') ?? { event: 'progress' }
    return { have, size, peers }
  }

  /** @param {string} what @returns {Error} with what the process said last */
  failure(what) {
    const how = this.ended === undefined ? 'still running' : `code ${this.ended.code ?? this.ended.signal}`
    const said = this.last('error')?.['message'] ?? this.stderr.join('\n    ')
    return new Error(`${this.label} ${what} (${how})${said === '' ? '' : `:\n    ${said}`}`)
  }

  /** @param {NodeJS.Signals} signal */
  kill(signal) {
    if (this.ended === undefined && this.pid !== undefined) this.#child.kill(signal)
  }

  /** Processor time that it has used, user and system, in ms; undefined once the process is gone, and on macOS. */
  cpuMs() {
    try {
      const stat = readFileSync(`/proc/${this.pid}/stat`, 'utf8')
      // After the command's name, which may hold anything: state is field 3, times are 14 and 15, in hundredths.
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      return (Number(fields[11]) + Number(fields[12])) * 10
    } catch {
      return undefined
    }
  }

  /** Resident memory in bytes, now and at its highest; undefined once the process is gone, and on macOS. */
  memory() {
    try {
      const status = readFileSync(`/proc/${this.pid}/status`, 'utf8')
      /** @param {string} field */
      const bytes = field => Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? Number.NaN) * 1024
      const memory = { nowBytes: bytes('VmRSS'), peakBytes: bytes('VmHWM') }
      return Number.isNaN(memory.peakBytes) ? undefined : memory
    } catch {
      return undefined
    }
  }
}
