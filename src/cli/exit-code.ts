/** Exit codes: a contract with scripts (docs/cli.md). */
import { type Fault, ShoalError } from '../base/errors.ts'
import { INTERRUPTED } from './interrupt.ts'

export const DONE = 0
export const FAILED = 1
export const USAGE = 2
export const NOBODY_HAS_IT = 3
export const BAD_DATA = 4
export const NO_SPACE_OR_PERMISSION = 5

const EXIT_OF_FAULT: Record<Fault, number> = {
  input: USAGE,
  local: FAILED,
  io: NO_SPACE_OR_PERMISSION,
  peer: NOBODY_HAS_IT,
  network: NOBODY_HAS_IT,
  content: BAD_DATA,
  aborted: INTERRUPTED,
  bug: FAILED
}

export function exitCodeOf(err: unknown): number {
  return err instanceof ShoalError ? EXIT_OF_FAULT[err.fault] : FAILED
}
