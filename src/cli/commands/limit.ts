/** `shoal limit [CID]`: shows and changes the limits of the node that runs. */
import type { Command } from 'commander'
import { formatRate } from '../../base/units.ts'
import type { Limits } from '../../node/api.ts'
import type { CommandContext, RunAction } from '../context.ts'
import { connectRunning, lockedBy } from '../session.ts'

const ALL = 'all transfers together'

export function addLimit(program: Command, run: RunAction): void {
  program
    .command('limit')
    .description(
      'show the limits of the running node, or change them with --up and --down; with a CID, of that root alone'
    )
    .argument('[cid]', 'a CID or link')
    .action((text: string | undefined) => run(context => limit(context, text)))
}

async function limit(context: CommandContext, text: string | undefined): Promise<undefined> {
  const { io, out, signal, globals } = context
  const cid = text === undefined ? undefined : (await io.load.parseSource(text)).cid
  const session = await connectRunning(context, 'so there is nothing to limit')
  const { node, info } = session
  const tell = (root: string | null, { up, down }: Limits) => {
    out.event('limits', { cid: root, up, down })
    out.result(`${root ?? ALL}: ${describeLimits({ up, down })}`)
  }
  try {
    if (info.mode === 'offline') throw lockedBy(info, 'wait until it is done, and run the same command again')
    if (cid !== undefined) tell(cid, await node.setLimits({ cid, ...globals.limits }, { signal }))
    else if (Object.keys(globals.limits).length > 0) tell(null, await node.setLimits(globals.limits, { signal }))
    else {
      const { roots, ...limits } = await node.limits({ signal })
      tell(null, limits)
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
