/** Shows work in progress: a live line on a terminal, a plain line every 5 s in a log, JSON events once a second. */
import type { HashProgress, Transfer } from '../node/api.ts'
import type { Output } from './output.ts'
import { RecentRate } from './recent-rate.ts'
import { describeHashing, describeTransfer, renderHashing, renderTransfer } from './render/progress.ts'

const REDRAW_MS = 200
const PLAIN_MS = 5_000
const EVENT_MS = 1_000
/** Short work shows no bar at all. */
const QUIET_START_MS = 300

/** Shows a transfer until the returned function is called. */
export function meterTransfer(out: Output, transfer: Transfer): () => void {
  const stop = showProgress(out, transfer)
  const off = tellPauses(out, transfer)
  return () => {
    off()
    stop()
  }
}

/** That the disk takes nothing is told at once: somebody has to do something. */
function tellPauses(out: Output, transfer: Transfer): () => void {
  let told: string | undefined
  return transfer.on('state:changed', ({ state, problem }) => {
    if (state === 'paused' && problem !== null) {
      if (told === problem.message) return
      told = problem.message
      out.event('paused', problem)
      out.warn(`paused: ${problem.message}; it goes on by itself when that is mended`)
    } else if (told !== undefined && state !== 'failed') {
      told = undefined
      out.event('resumed', {})
      out.note('the disk works again, going on')
    }
  })
}

function showProgress(out: Output, transfer: Transfer): () => void {
  if (out.json) return meterEvents(out, transfer)
  if (!out.isChatty) return () => {}
  if (!out.isLive) return every(PLAIN_MS, () => out.note(describeTransfer(transfer.snapshot())))
  const redraw = () => out.live(renderTransfer(transfer.snapshot(), out.barStyle))
  redraw()
  const stop = every(REDRAW_MS, redraw)
  return () => {
    stop()
    out.live('')
  }
}

function meterEvents(out: Output, transfer: Transfer): () => void {
  let last = Number.NEGATIVE_INFINITY
  const tell = () => {
    const now = performance.now()
    const { have, size, peers, rate, state } = transfer.snapshot()
    if (now - last < EVENT_MS || state === 'done' || state === 'failed') return
    last = now
    out.event('progress', { have, size, peers, rate })
  }
  const off = transfer.on('progressed', tell)
  const stop = every(EVENT_MS, tell)
  return () => {
    off()
    stop()
  }
}

export interface HashMeter {
  onProgress(progress: HashProgress): void
  stop(): void
}

export function meterHashing(out: Output, label: string): HashMeter {
  const startedAt = performance.now()
  const recent = new RecentRate(startedAt)
  let lastPlain = startedAt
  let lastDrawn = 0
  const onProgress = ({ bytes, totalBytes }: HashProgress) => {
    const now = performance.now()
    const rate = recent.rateAt(now, bytes)
    if (now - startedAt < QUIET_START_MS) return
    const etaMs = rate > 0 && totalBytes > bytes ? ((totalBytes - bytes) / rate) * 1000 : null
    const state = { bytes, totalBytes, rate, etaMs, label }
    if (out.isLive) {
      if (now - lastDrawn < REDRAW_MS) return
      lastDrawn = now
      out.live(renderHashing(state, out.barStyle))
    } else if (now - lastPlain >= PLAIN_MS) {
      lastPlain = now
      out.note(describeHashing(state))
    }
  }
  return { onProgress, stop: () => out.live('') }
}

/** Calls until the returned function is called. A slow call is not overtaken by the next. */
export function every(intervalMs: number, act: () => void | Promise<void>): () => void {
  let busy = false
  const timer = setInterval(() => {
    if (busy) return
    busy = true
    Promise.resolve(act()).then(
      () => {
        busy = false
      },
      () => {
        busy = false
      }
    )
  }, intervalMs)
  return () => clearInterval(timer)
}
