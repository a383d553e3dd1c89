/**
 * Loaded before the program (`node --import`): at its end a line says how late its event loop was,
 * `{"event":"loop","p99Ms","maxMs"}`.
 */
import { writeSync } from 'node:fs'
import { monitorEventLoopDelay } from 'node:perf_hooks'

/** What is measured is at least so much. */
const RESOLUTION_MS = 5
const NS_PER_MS = 1e6

const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
delay.enable()
process.once('exit', () => {
  const ms = /** @param {number} ns */ ns => Math.max(0, ns / NS_PER_MS - RESOLUTION_MS)
  writeSync(1, `${JSON.stringify({ event: 'loop', p99Ms: ms(delay.percentile(99)), maxMs: ms(delay.max) })}\n`)
})
