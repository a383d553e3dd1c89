/** What a single input costs, and how much that may be: a stranger chooses it. */
import { MIB } from '../src/base/units.ts'
import { BrokenClaim } from './target.ts'

/** An input takes microseconds, the worst known milliseconds; a busy machine is told from a slow input by trying again. */
export const MAX_INPUT_MS = 1_000
/** Of inputs of at most 64 KiB. */
export const MAX_INPUT_BYTES = 128 * MIB
const TRIES = 3

/** An input that costs too much. To make it shorter would cost more still. */
export class TooDear extends BrokenClaim {}

/**
 * Runs it, and again where it was slow.
 * @throws TooDear where it takes too long each time, or leaves the process that much larger at once
 */
export async function withinBounds(run: () => void | Promise<void>, maxMs = MAX_INPUT_MS): Promise<void> {
  let leastMs = Number.POSITIVE_INFINITY
  for (let tries = 0; tries < TRIES && leastMs > maxMs; tries++) {
    const before = process.memoryUsage()
    const beganAt = performance.now()
    await run()
    leastMs = Math.min(leastMs, performance.now() - beganAt)
    const bytes = grown(before, process.memoryUsage())
    if (bytes > MAX_INPUT_BYTES) throw new TooDear(`an input took ${Math.round(bytes / MIB)} MiB`)
  }
  if (leastMs > maxMs) throw new TooDear(`an input took ${Math.round(leastMs)} ms`)
}

/** Of memory that was asked for and never touched the system knows nothing. */
function grown(before: NodeJS.MemoryUsage, after: NodeJS.MemoryUsage): number {
  return Math.max(after.rss - before.rss, after.arrayBuffers - before.arrayBuffers)
}
