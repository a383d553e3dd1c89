#!/usr/bin/env node
import '../base/polyfill.ts'
import { isatty } from 'node:tty'
import { fromSystemError } from '../base/errors.ts'
import { SECOND_MS } from '../base/units.ts'
import { DONE, exitCodeOf, FAILED } from './exit-code.ts'
import { Interrupt } from './interrupt.ts'
import { type CliIo, realLoaders } from './io.ts'
import { Output } from './output.ts'
import { runCli } from './program.ts'
import { tuneRuntime } from './tune-runtime.ts'

/** From the first signal, and again from the end of the command: whatever holds the process then is cut off. */
const STOP_GRACE_MS = 3 * SECOND_MS

tuneRuntime()

const argv = process.argv.slice(2)
const interrupt = new Interrupt()
const io: CliIo = {
  stdout: process.stdout,
  stderr: process.stderr,
  env: process.env,
  ...workingFolder(),
  interrupt,
  load: realLoaders
}

/** A terminal may stand in a folder that was deleted: absolute paths still work there. */
function workingFolder(): Pick<CliIo, 'cwd' | 'isCwdGone'> {
  try {
    return { cwd: process.cwd() }
  } catch {
    return { cwd: '/', isCwdGone: true }
  }
}

function stopWithin(code: () => number): void {
  setTimeout(() => process.exit(code()), STOP_GRACE_MS).unref()
}

/** Nobody's terminal was lost where there is none; Node undoes that nohup has it ignored. */
const hasTerminal = isatty(1) || isatty(2)

let signals = 0
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(name, () => {
    if (name === 'SIGHUP' && !hasTerminal) return
    signals += 1
    if (signals > 1 && name === 'SIGINT') process.exit(interrupt.exitCode)
    if (signals > 1) return
    interrupt.fire()
    stopWithin(() => interrupt.exitCode)
  })
}

// The reader has gone, as in `shoal ls | head`: nothing is left to say, and that is no failure.
process.stdout.on('error', err => {
  if (!('code' in err) || err.code !== 'EPIPE') {
    const failure = fromSystemError(err, 'standard output')
    return crash(failure, exitCodeOf(failure))
  }
  io.stdout = { write: () => true }
  interrupt.exitCode = DONE
  interrupt.fire()
  stopWithin(() => DONE)
})
process.stderr.on('error', () => {})

let crashed = false
function crash(err: unknown, code: number): void {
  if (crashed) return
  crashed = true
  const asked = (flag: string) => argv.includes(flag)
  const out = new Output(io, { json: asked('--json'), quiet: false })
  out.error(err)
  if (asked('debug') && err instanceof Error) out.log(String(err.stack))
  process.exit(code)
}
process.on('uncaughtException', err => crash(err, FAILED))
process.on('unhandledRejection', err => crash(err, FAILED))

process.exitCode = await runCli(argv, io)
stopWithin(() => Number(process.exitCode))
