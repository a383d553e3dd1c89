import type { Logger } from '../../base/log.ts'

/** What was lost, in sentences for the user, each once. */
export class DamageReport {
  readonly #sentences: string[] = []
  readonly #log: Logger

  constructor(log: Logger) {
    this.#log = log
  }

  /** Grows when more is found. */
  get sentences(): readonly string[] {
    return this.#sentences
  }

  add(sentence: string): void {
    if (this.#sentences.includes(sentence)) return
    this.#sentences.push(sentence)
    this.#log.warn('%s', sentence)
  }
}
