/**
 * What this process holds, counted right after a full collection of garbage: so a figure is what is still reachable,
 * and one that grows is a leak.
 */
import { readdirSync } from 'node:fs'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { queryObjects } from 'node:v8'

/**
 * @typedef {object} Vitals
 * @property {number} rssBytes
 * @property {number} heapBytes
 * @property {number} handles sockets, servers and whatever else keeps the process alive, but timers
 * @property {number} timers armed or not yet collected
 * @property {number} listeners of event targets
 * @property {number} signals AbortSignals
 * @property {number} sockets TCP
 * @property {number} files open; NaN where the system has no /proc
 */

const RESOLUTION_MS = 10

/** @typedef {new (...args: any[]) => object} Class */

const immediate = setTimeout(() => {}, 0)
const Timeout = /** @type {Class} */ (immediate.constructor)
clearTimeout(immediate)

/** @returns {Class | undefined} Node's own class of one listener of an EventTarget; undefined where it has another form */
function listenerClass() {
  const target = new EventTarget()
  target.addEventListener('x', () => {})
  const events = Object.getOwnPropertySymbols(target).find(symbol => symbol.description === 'kEvents')
  /** @type {Map<string, { next?: object }> | undefined} */
  const map = events === undefined ? undefined : /** @type {any} */ (target)[events]
  return /** @type {Class | undefined} */ (map?.get('x')?.next?.constructor)
}

const Listener = listenerClass()

/** @param {Class | undefined} kind */
const countOf = kind => (kind === undefined ? Number.NaN : Number(queryObjects(kind, { format: 'count' })))

/** @returns {Vitals} */
export function readVitals() {
  // counting collects what nobody holds any more
  const timers = countOf(Timeout)
  const { rss, heapUsed } = process.memoryUsage()
  const resources = process.getActiveResourcesInfo()
  return {
    rssBytes: rss,
    heapBytes: heapUsed,
    handles: resources.filter(name => name !== 'Timeout' && name !== 'Immediate').length,
    timers,
    listeners: countOf(Listener),
    signals: countOf(AbortSignal),
    sockets: resources.filter(name => name === 'TCPSocketWrap').length,
    files: openFiles()
  }
}

function openFiles() {
  try {
    return readdirSync('/proc/self/fd').length
  } catch {
    return Number.NaN
  }
}

/** How late the event loop is. What is counted is the delay beyond what was asked for. */
export class LoopDelay {
  #histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS })

  start() {
    this.#histogram.enable()
  }

  /** Between `pause` and `start` nothing is counted: for work of the measurement itself. */
  pause() {
    this.#histogram.disable()
  }

  reset() {
    this.#histogram.reset()
  }

  /** @param {number} percent @returns {number} ms */
  percentile(percent) {
    return Math.max(0, this.#histogram.percentile(percent) / 1e6 - RESOLUTION_MS)
  }
}
