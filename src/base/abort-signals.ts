import { setMaxListeners } from 'node:events'

import { abortError } from './errors.ts'

/**
 * What each combined signal is made of. Node 20 lets the collector have a signal of `AbortSignal.timeout` that only
 * `AbortSignal.any` knows of: after the next collection that time never runs out.
 */
const sources = new WeakMap<AbortSignal, readonly AbortSignal[]>()

/**
 * A signal that fires with the first of these. Libraries hang many listeners on one signal; Node would take that for a
 * leak and print a warning on the user's terminal.
 */
export function combineSignals(...signals: ReadonlyArray<AbortSignal | undefined>): AbortSignal {
  const given = signals.filter(signal => signal !== undefined)
  const combined = AbortSignal.any(given)
  setMaxListeners(0, combined)
  sources.set(combined, given)
  return combined
}

/** What the signal fired with, where that says something. */
export function abortReason(signal: AbortSignal): Error {
  return signal.reason instanceof Error && !(signal.reason instanceof DOMException) ? signal.reason : abortError(signal)
}
