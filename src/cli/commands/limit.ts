/** `shoal limit [CID]`: shows and changes the limits of the node that runs. */
import type { Command } from 'commander'
import { ShoalError } from '../../base/errors.ts'
import { formatRate } from '../../base/units.ts'
import type { Limits, StorageInfo } from '../../node/api.ts'
import type { CommandContext, RunAction } from '../context.ts'
import { connectRunning, lockedBy } from '../session.ts'
import { describeHeld } from './status.ts'

const ALL = 'all transfers together'

export function addLimit(program: Command, run: RunAction): void {
  program
    .command('limit')
    .description(
      'show the limits of the running node, or change them with --up, --down and --max-storage; with a CID, the rates of that root alone'
    )
    .argument('[cid]', 'a CID or link')
    .action((text: string | undefined) => run(context => limit(context, text)))
}

async function limit(context: CommandContext, text: string | undefined): Promise<undefined> {
  const { io, out, signal, globals } = context
  const cid = text === undefined ? undefined : (await io.load.parseSource(text)).cid
  const { limits, maxStorage } = globals
  if (cid !== undefined && maxStorage !== undefined) {
    throw new ShoalError('ERR_USAGE', '--max-storage limits all fetches together, not one root', {
      hint: 'leave out the CID'
    })
  }
  const session = await connectRunning(context, 'so there is nothing to limit')
  const { node, info } = session
  const tell = (root: string | null, { up, down }: Limits) => {
    out.event('limits', { cid: root, up, down })
    out.result(`${root ?? ALL}: ${describeLimits({ up, down })}`)
  }
  try {
    if (info.mode === 'offline') throw lockedBy(info, 'wait until it is done, and run the same command again')
    if (cid !== undefined) tell(cid, await node.setLimits({ cid, ...limits }, { signal }))
    else if (Object.keys(limits).length > 0) tell(null, await node.setLimits(limits, { signal }))
    if (maxStorage !== undefined) {
      const { problem, ...storage } = await node.setMaxStorage(maxStorage, { signal })
      out.event('storage', { ...storage, problem })
      out.result(describeStorageLimit(storage))
      if (problem !== null) out.warn(problem)
    } else if (cid === undefined && Object.keys(limits).length === 0) {
      const { roots, ...all } = await node.limits({ signal })
      tell(null, all)
      const { storage } = await node.status({ signal })
      out.event('storage', { ...storage })
      out.result(describeStorageLimit(storage))
      for (const root of roots) tell(root.cid, root)
    }
  } finally {
    await session.close()
  }
  return undefined
}

export function describeLimits({ up, down }: Limits): string {
  const rate = (limit: number | null) => (limit === null ? 'no limit' : formatRate(limit))
  return `up ${rate(up)}, down ${rate(down)}`
}

export function describeStorageLimit(storage: StorageInfo): string {
  return `storage: ${describeHeld(storage)}${storage.limit === null ? ', no limit' : ''}`
}
