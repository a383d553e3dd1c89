/** `shoal share PATH…`: hands over to the node that runs, or hashes and seeds by itself. */
import { constants } from 'node:fs'
import { access, stat } from 'node:fs/promises'
import { basename } from 'node:path'
import type { Command } from 'commander'
import { fromSystemError, ShoalError, throwIfAborted } from '../../base/errors.ts'
import { formatBytes } from '../../base/units.ts'
import type { Shared, ShareOptions } from '../../node/api.ts'
import { checkOutsideDataDir } from '../../node/own-data-dir.ts'
import type { CommandContext, RunAction } from '../context.ts'
import { DONE, exitCodeOf } from '../exit-code.ts'
import { givenPath } from '../given-path.ts'
import { meterHashing } from '../meters.ts'
import { plural, printable } from '../render/text.ts'
import { seedUntilSignal, tellAnnounced } from '../seeding.ts'
import { handTo, limitsOfTransfer, openSession, type RemoteSession, type Session } from '../session.ts'
import { reportSkipped } from '../skipped.ts'

export interface ShareFlags {
  seed: boolean
  hidden: boolean
}

export function addShare(program: Command, run: RunAction): void {
  program
    .command('share')
    .description('share files and folders where they lie: hash, seed, announce')
    .argument('<path...>', 'files and folders')
    .option('--no-seed', 'exit when it is hashed; the next daemon on this data folder seeds it')
    .option('--no-hidden', 'leave out names that begin with a dot')
    .action((paths: string[], flags: ShareFlags) => run(context => share(context, paths, flags)))
}

async function share(context: CommandContext, given: readonly string[], flags: ShareFlags): Promise<number> {
  let exitCode = DONE
  const fail = (err: unknown) => {
    throwIfAborted(context.signal)
    context.out.error(err)
    if (exitCode === DONE) exitCode = exitCodeOf(err)
  }
  const paths: string[] = []
  for (const one of given) {
    try {
      const path = givenPath(context.io, one, 'share')
      await checkShareable(path, context.globals.dataDir)
      paths.push(path)
    } catch (err) {
      fail(err)
    }
  }
  if (paths.length === 0) return exitCode

  const session = await openSession(
    context,
    flags.seed ? { mode: 'share', dht: 'server' } : { mode: 'offline', answers: true }
  )
  try {
    if (session.kind === 'remote') await handOver(context, session)
    let shared = 0
    for (const path of paths) {
      try {
        const result = await shareOne(context, session, path, flags)
        shared += 1
        if (session.kind === 'own' && flags.seed) tellAnnounced(context, session.node, result.cid, nameOf(path))
      } catch (err) {
        fail(err)
      }
    }
    if (session.kind === 'own' && flags.seed && shared > 0) await seedUntilSignal(context, session.node)
    return exitCode
  } finally {
    await session.close()
  }
}

async function shareOne(
  context: CommandContext,
  session: Session,
  path: string,
  { hidden }: ShareFlags
): Promise<Shared> {
  const { out, signal } = context
  const meter = meterHashing(out, nameOf(path))
  const limits = limitsOfTransfer(context, session)
  const options: ShareOptions = { signal, hidden, onProgress: meter.onProgress, ...limits }
  let shared: Shared
  try {
    shared = await session.node.share(path, options)
  } finally {
    meter.stop()
  }
  const { cid, link, size, pieces, skipped } = shared
  reportSkipped(out, skipped)
  out.event('shared', { cid, link, path: shared.path, size, pieces })
  if (out.quiet) out.result(link)
  else {
    out.result(`shared ${printable(shared.path)}: ${formatBytes(size)}, ${plural(pieces, 'piece')}`)
    out.result(`  ${cid}`)
    out.result(`  ${link}`)
  }
  return shared
}

/** A process that will end soon is told of. */
async function handOver(context: CommandContext, session: RemoteSession): Promise<void> {
  await handTo(context, session)
  const { info } = session
  if (info.mode === 'get') {
    context.out.note(`handed to shoal get (pid ${info.pid}), which ends when it is done; shoal daemon seeds it further`)
  }
}

/** The checks that need no node. A FIFO, socket or device is never opened. */
async function checkShareable(path: string, dataDir: string): Promise<void> {
  try {
    const stats = await stat(path)
    if (!stats.isFile() && !stats.isDirectory()) {
      throw new ShoalError('ERR_NOT_FILE_OR_FOLDER', `${path} is neither a regular file nor a folder`, {
        hint: 'share a file or a folder'
      })
    }
    await access(path, stats.isDirectory() ? constants.R_OK | constants.X_OK : constants.R_OK)
    await checkOutsideDataDir(path, dataDir)
  } catch (err) {
    throw fromSystemError(err, path)
  }
}

function nameOf(path: string): string {
  return printable(basename(path))
}
