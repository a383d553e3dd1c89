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

/** @property clear to be called once nobody needs the signal; it does not fire after */
export interface LinkedSignal {
  readonly signal: AbortSignal
  readonly clear: () => void
}

/**
 * As {@link combineSignals}, for what is made again and again of a signal that lives as long as the node: of each
 * `AbortSignal.any` a reference stays in every source for good (nodejs/node#54614).
 */
export function linkSignals(...signals: ReadonlyArray<AbortSignal | undefined>): LinkedSignal {
  const given = signals.filter(signal => signal !== undefined)
  const controller = new AbortController()
  const { signal } = controller
  const clear = () => {
    for (const one of given) one.removeEventListener('abort', fire)
  }
  const fire = () => {
    clear()
    controller.abort(given.find(one => one.aborted)?.reason)
  }
  setMaxListeners(0, signal, ...given)
  sources.set(signal, given)
  for (const one of given) one.addEventListener('abort', fire)
  if (given.some(one => one.aborted)) fire()
  return { signal, clear }
}

/** Does the work with a signal that fires with the first of these, and takes the signal back when the work has ended. */
export async function withLinked<T>(
  signals: ReadonlyArray<AbortSignal | undefined>,
  work: (signal: AbortSignal) => Promise<T>
): Promise<T> {
  const { signal, clear } = linkSignals(...signals)
  try {
    return await work(signal)
  } finally {
    clear()
  }
}

/** What the signal fired with, where that says something. */
export function abortReason(signal: AbortSignal): Error {
  return signal.reason instanceof Error && !(signal.reason instanceof DOMException) ? signal.reason : abortError(signal)
}
