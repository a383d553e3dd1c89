import { setFlagsFromString } from 'node:v8'

/**
 * How much of a function runs, in bytes of its bytecode, before V8 asks whether to optimise it. V8's own 66 KiB is met by
 * hundreds of functions in the first seconds of a fetch, and compiling them took a tenth of its processor time and more,
 * which a fetch of seconds never earns back. What is really hot is optimised all the same, a moment later
 * (docs/performance.md).
 */
const INTERRUPT_BUDGET_BYTES = 1_200_000
/** That of Node 20. Newer ones count calls by other flags and have a cheaper compiler in between; unknown flags print. */
const V8_MAJOR = '11'

/** Of this process and its threads. For the program alone: what embeds a node has settings of its own. */
export function tuneRuntime(): void {
  const [major] = process.versions.v8.split('.')
  if (major === V8_MAJOR) setFlagsFromString(`--interrupt-budget=${INTERRUPT_BUDGET_BYTES}`)
}
