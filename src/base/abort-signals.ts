import { setMaxListeners } from 'node:events'

import { abortError } from './errors.ts'

/**
 * A signal that fires with the first of these. Libraries hang many listeners on one signal; Node would take that for a
 * leak and print a warning on the user's terminal.
 */
export function combineSignals(...signals: ReadonlyArray<AbortSignal | undefined>): AbortSignal {
  const combined = AbortSignal.any(signals.filter(signal => signal !== undefined))
  setMaxListeners(0, combined)
  return combined
}

/** What the signal fired with, where that says something. */
export function abortReason(signal: AbortSignal): Error {
  return signal.reason instanceof Error && !(signal.reason instanceof DOMException) ? signal.reason : abortError(signal)
}
