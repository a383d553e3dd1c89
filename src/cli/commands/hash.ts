/** `shoal hash PATH`: the CID that `share` would give; no node, no network, nothing stored. */
import type { Command } from 'commander'
import type { CommandContext, RunAction } from '../context.ts'
import { givenPath } from '../given-path.ts'
import { meterHashing } from '../meters.ts'
import { printable } from '../render/text.ts'
import { reportSkipped } from '../skipped.ts'

export function addHash(program: Command, run: RunAction): void {
  program
    .command('hash')
    .description('print the CID of a file or folder, without sharing it')
    .argument('<path>', 'a file or folder')
    .option('--no-hidden', 'leave out names that begin with a dot')
    .action((path: string, { hidden }: { hidden: boolean }) => run(context => hash(context, path, hidden)))
}

async function hash({ io, out, globals, signal }: CommandContext, given: string, hidden: boolean): Promise<undefined> {
  const at = givenPath(io, given, 'hash')
  const meter = meterHashing(out, 'hashing')
  try {
    const { dataDir } = globals
    const { onProgress } = meter
    const hashed = await io.load.hashPath(at, { signal, hidden, dataDir, onProgress })
    meter.stop()
    const { cid, path, size, pieces } = hashed
    reportSkipped(out, hashed.skipped)
    out.event('hash', { path, cid, size, pieces })
    out.result(out.quiet ? cid : `${cid}  ${printable(given)}`)
  } finally {
    meter.stop()
  }
  return undefined
}
