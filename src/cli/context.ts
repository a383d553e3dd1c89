/** What a command's action is given. */
import type { Logger } from '../base/log.ts'
import type { Globals } from './globals.ts'
import type { CliIo } from './io.ts'
import type { Output } from './output.ts'

export interface CommandContext {
  io: CliIo
  globals: Globals
  out: Output
  log: Logger
  /** Fires at the first SIGINT or SIGTERM. */
  signal: AbortSignal
}

/** Does the command; the result is the exit code, 0 when there is none. What it throws becomes a line and a code. */
export type Action = (context: CommandContext) => Promise<number | undefined>

/** Binds an action to the program: reads the global options, prints what fails, keeps the exit code. */
export type RunAction = (action: Action) => Promise<void>
