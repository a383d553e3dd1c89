/**
 * Which blocks of our own code ran since the last look, by V8's precise coverage: what guides the fuzzer.
 * Source: chromedevtools.github.io/devtools-protocol/v8/Profiler.
 *
 * V8 names a range of code only where its count differs from that of the code around it. So after a single input the
 * ranges that did *not* run tell as much as those that did, and after many inputs a range with a count of its own is a
 * block that some of them reached.
 */
import { type Profiler, Session } from 'node:inspector'

/** Counts are told apart so far, as AFL does. */
const STEPS = [0, 1, 2, 3, 4, 8, 16, 32, 128]

export class Coverage {
  readonly #session = new Session()
  readonly #counts: (url: string) => boolean
  readonly #ofOne = new Set<string>()
  readonly #ofMany = new Set<string>()

  /** @param counts which scripts are looked at, by their URL */
  constructor(counts: (url: string) => boolean) {
    this.#counts = counts
    this.#session.connect()
    this.#session.post('Profiler.enable')
    this.#session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true })
  }

  /** Features that single inputs had: a range of code together with how often it ran, in nine steps. */
  get size(): number {
    return this.#ofOne.size
  }

  /** Whether the one input since the last call had a feature that none had before. */
  hasNewsOfOne(): boolean {
    const before = this.#ofOne.size
    for (const { place, count } of this.#take()) {
      this.#ofOne.add(`${place}:${STEPS.findLastIndex(step => count >= step)}`)
    }
    return this.#ofOne.size > before
  }

  /** Whether the inputs since the last call reached a block that stood out in no call before. Cheaper than each alone. */
  hasNewsOfMany(): boolean {
    const before = this.#ofMany.size
    for (const { place, count } of this.#take()) if (count > 0) this.#ofMany.add(place)
    return this.#ofMany.size > before
  }

  stop(): void {
    this.#session.post('Profiler.stopPreciseCoverage')
    this.#session.disconnect()
  }

  *#take(): Generator<{ place: string; count: number }> {
    let taken: Profiler.TakePreciseCoverageReturnType | undefined
    // within one thread the answer comes before the call returns
    this.#session.post('Profiler.takePreciseCoverage', (err, result) => {
      if (err === null) taken = result
    })
    for (const { url, scriptId, functions } of taken?.result ?? []) {
      if (!this.#counts(url)) continue
      for (const { ranges } of functions) {
        for (const { startOffset, endOffset, count } of ranges) {
          yield { place: `${scriptId}:${startOffset}:${endOffset}`, count }
        }
      }
    }
  }
}
