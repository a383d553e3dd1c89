/** The user's wish to stop, and the exit code that it means at this moment. */
import { ShoalError } from '../base/errors.ts'

export const INTERRUPTED = 130

/** Invariant: `exitCode` is what a forced exit would report now; commands set it as their phase changes. */
export class Interrupt {
  /** 130, or 0 once a command runs only until it is told to stop. */
  exitCode: number = INTERRUPTED
  readonly #controller = new AbortController()

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  fire(): void {
    if (!this.signal.aborted) this.#controller.abort(new ShoalError('ERR_ABORTED', 'interrupted'))
  }

  /** Resolves when it fires. */
  fired(): Promise<void> {
    return new Promise(resolve => {
      if (this.signal.aborted) resolve()
      else this.signal.addEventListener('abort', () => resolve(), { once: true })
    })
  }
}
