/** Tells what was left out, without flooding the terminal. */
import type { Skipped } from '../node/api.ts'
import type { Output } from './output.ts'
import { formatCount } from './render/text.ts'

const MAX_LINES = 10

export function reportSkipped(out: Output, skipped: readonly Skipped[]): void {
  for (const { path, reason } of skipped.slice(0, MAX_LINES)) out.warn(`left out ${path}: ${reason}`)
  if (skipped.length > MAX_LINES) out.warn(`left out ${formatCount(skipped.length - MAX_LINES)} more`)
}
