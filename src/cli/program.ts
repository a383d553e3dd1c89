/**
 * The command line: options and commands are declared here and in commands/, one file each; what a command needs of
 * the node is loaded when it runs. Usage, output and exit codes are a contract: docs/cli.md.
 */
import { Command, CommanderError } from 'commander'
import { ShoalError } from '../base/errors.ts'
import { LOG_LEVELS } from '../base/log.ts'
import { cliLogger } from './cli-logger.ts'
import { addDaemon } from './commands/daemon.ts'
import { addGc } from './commands/gc.ts'
import { addGet } from './commands/get.ts'
import { addHash } from './commands/hash.ts'
import { addLimit } from './commands/limit.ts'
import { addLs } from './commands/ls.ts'
import { addPeers } from './commands/peers.ts'
import { addPin } from './commands/pin.ts'
import { addRm } from './commands/rm.ts'
import { addShare } from './commands/share.ts'
import { addStatus } from './commands/status.ts'
import { addVerify } from './commands/verify.ts'
import type { Action } from './context.ts'
import { DONE, exitCodeOf, USAGE } from './exit-code.ts'
import { type RawGlobals, readGlobals } from './globals.ts'
import type { CliIo } from './io.ts'
import { Output } from './output.ts'
import { packageVersion } from './version.ts'

const SEE_HELP = 'see shoal --help'

/**
 * Runs one command line to its end.
 * @param argv without the interpreter and the script
 * @returns the exit code; never throws
 */
export async function runCli(argv: readonly string[], io: CliIo): Promise<number> {
  let exitCode = DONE
  const runAction = async (action: Action) => {
    exitCode = await run(action, program.opts<RawGlobals>(), io)
  }
  const program = declare(io, runAction)
  try {
    await program.parseAsync([...argv], { from: 'user' })
    return exitCode
  } catch (err) {
    return usageExit(err, new Output(io, { json: hasFlag(argv, '--json'), quiet: false }))
  }
}

function declare(io: CliIo, runAction: (action: Action) => Promise<void>): Command {
  const collect = (value: string, earlier: string[] | undefined) => [...(earlier ?? []), value]
  const program = new Command('shoal')
    .description('Share files with peers, and fetch them, by their content hash. No server.')
    .version(packageVersion(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .option('--data-dir <dir>', "the node's data folder (or SHOAL_DATA_DIR)")
    .option('--json', 'one JSON object a line on stdout')
    .option('--quiet', 'print only results and errors')
    .option('--log <level>', `log to stderr: ${LOG_LEVELS.join(', ')}`)
    .option('--listen <multiaddr>', 'listen here; once per address', collect)
    .option('--announce <multiaddr>', 'tell others this address too, as of a forwarded port', collect)
    .option('--peer <multiaddr>', 'connect to this peer; once per address', collect)
    .option('--up <rate>', 'upload limit in bytes a second: 500K, 1.5M, none')
    .option('--down <rate>', 'download limit in bytes a second')
    .option('--max-storage <size>', 'bytes that fetches may keep on the disk: 500M, 20G, none')
    .option('--timeout <seconds>', 'get: give up after so long without progress (60)')
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      writeOut: text => io.stdout.write(text),
      writeErr: text => io.stderr.write(text),
      outputError: () => {}
    })
    .exitOverride()
  const commands = [
    addDaemon,
    addShare,
    addGet,
    addLs,
    addRm,
    addPin,
    addGc,
    addStatus,
    addPeers,
    addLimit,
    addHash,
    addVerify
  ]
  for (const add of commands) add(program, runAction)
  return program
}

async function run(action: Action, raw: RawGlobals, io: CliIo): Promise<number> {
  const out = new Output(io, { json: raw.json === true, quiet: raw.quiet === true })
  let debug = false
  try {
    const globals = await readGlobals(raw, io)
    debug = globals.logLevel === 'debug' || globals.logLevel === 'trace'
    const log = cliLogger(globals.logLevel, line => out.log(line))
    return (await action({ io, globals, out, log, signal: io.interrupt.signal })) ?? DONE
  } catch (err) {
    out.live('')
    if (io.interrupt.signal.aborted && isAbort(err)) {
      if (io.interrupt.exitCode !== DONE) out.error(err instanceof ShoalError ? err : interrupted())
      return io.interrupt.exitCode
    }
    out.error(err)
    if (debug && err instanceof Error) out.log(String(err.stack))
    return exitCodeOf(err)
  }
}

/** Any of the ways in which an abort surfaces: ours, the platform's, a library's. */
function isAbort(err: unknown): boolean {
  if (err instanceof ShoalError) return err.code === 'ERR_ABORTED'
  return err instanceof Error && err.name === 'AbortError'
}

function interrupted(): ShoalError {
  return new ShoalError('ERR_ABORTED', 'interrupted')
}

/** Help and version leave through here as well: commander reports them as errors with exit code 0. */
function usageExit(err: unknown, out: Output): number {
  if (!(err instanceof CommanderError)) {
    out.error(err)
    return exitCodeOf(err)
  }
  if (err.exitCode === 0) return DONE
  if (err.code === 'commander.help') {
    out.event('error', { code: 'ERR_USAGE', message: 'no command given' })
    return USAGE
  }
  out.error(new ShoalError('ERR_USAGE', usageMessage(err.message), { hint: SEE_HELP }))
  return USAGE
}

/** commander's `error: unknown command 'shar'\n(Did you mean share?)` in one line, put the way our errors are. */
function usageMessage(message: string): string {
  return message
    .replace(/^error: /, '')
    .replace(/\n\(Did you mean (one of )?(.*)\?\)$/, (_all, many: string | undefined, names: string) =>
      many === undefined ? ` (did you mean '${names}'?)` : ` (did you mean one of ${names}?)`
    )
    .replace(/\. Expected (.*)\.$/, '; expected $1')
    .replaceAll('\n', ' ')
}

function hasFlag(argv: readonly string[], flag: string): boolean {
  const end = argv.indexOf('--')
  return argv.slice(0, end === -1 ? argv.length : end).includes(flag)
}
