/** `shoal get CID|LINK`: finds peers, fetches, verifies; exits when complete, or stays and seeds. */
import type { Command } from 'commander'
import { ShoalError } from '../../base/errors.ts'
import { formatBytes, formatDuration, formatRate, SECOND_MS } from '../../base/units.ts'
import type { FetchOptions, FetchResult } from '../../node/api.ts'
import type { CommandContext, RunAction } from '../context.ts'
import { type FetchFlags, type FetchPlan, planFetch } from '../fetch-plan.ts'
import { givenPath } from '../given-path.ts'
import { meterTransfer } from '../meters.ts'
import type { Output } from '../output.ts'
import { plural, printable } from '../render/text.ts'
import { seedUntilSignal, tellAnnounced, tellEvicted } from '../seeding.ts'
import { handTo, limitsOfTransfer, openSession, type Session } from '../session.ts'
import { reportSkipped } from '../skipped.ts'

/** How often a fetch goes on by itself after the node that did it was stopped. */
const MAX_HANDOVERS = 3
const CONTINUE = 'run the same command again to continue'

export function addGet(program: Command, run: RunAction): void {
  program
    .command('get')
    .description('fetch content by its CID or link, verify it, and exit when it is complete')
    .argument('<cid|link>', 'what share or hash printed')
    .option('-o, --output <path>', 'where to; an existing folder takes it below itself')
    .option('--cache', 'keep it for others in the data folder, unpinned: deleted when room is needed')
    .option('--force', 'replace what is there')
    .option('--seed', 'stay and seed when it is complete')
    .action((source: string, flags: FetchFlags) => run(context => get(context, source, flags)))
}

async function get(context: CommandContext, source: string, flags: FetchFlags): Promise<undefined> {
  try {
    if (flags.cache !== true) givenPath(context.io, flags.output ?? '.', 'get --output')
    const plan = await planFetch(context, source, flags)
    if (plan.here !== undefined && flags.seed !== true) {
      tellDone(context.out, alreadyHere(plan.cid, plan.here))
      return undefined
    }
    for (let handovers = 0; ; handovers++) {
      const session = await openSession(context, { mode: 'get', dht: flags.seed === true ? 'server' : 'client' })
      try {
        await fetchThrough(context, session, plan, flags)
        return undefined
      } catch (err) {
        const lost = session.kind === 'remote' && err instanceof ShoalError && err.code === 'ERR_NOT_RUNNING'
        if (!lost || handovers === MAX_HANDOVERS) throw err
        context.out.note('the node that fetched it was stopped; going on here')
      } finally {
        await session.close()
      }
    }
  } catch (err) {
    if (!context.signal.aborted) throw err
    throw new ShoalError('ERR_ABORTED', 'interrupted', { hint: CONTINUE, cause: err })
  }
}

async function fetchThrough(
  context: CommandContext,
  session: Session,
  plan: FetchPlan,
  flags: FetchFlags
): Promise<void> {
  const { out, signal } = context
  const { node } = session
  if (session.kind === 'remote') await handTo(context, session)
  if (plan.here !== undefined) {
    const limits = limitsOfTransfer(context, session)
    if (!plan.here.known) await node.share(plan.here.path, { signal, ...limits })
    else if (Object.keys(limits).length > 0) await node.setLimits({ cid: plan.cid, ...limits }, { signal })
    tellDone(out, alreadyHere(plan.cid, plan.here))
  } else {
    tellDone(out, await fetch(context, session, plan, flags))
  }
  if (flags.seed !== true) return
  if (session.kind === 'remote') {
    out.note(`shoal ${session.info.mode} (pid ${session.info.pid}) seeds it`)
    return
  }
  tellAnnounced(context, node, plan.cid, printable(plan.name))
  await seedUntilSignal(context, session.node)
}

async function fetch(
  context: CommandContext,
  session: Session,
  plan: FetchPlan,
  flags: FetchFlags
): Promise<FetchResult> {
  const { out, globals, signal } = context
  const limits = limitsOfTransfer(context, session)
  const options: FetchOptions = { signal, force: flags.force === true, ...limits }
  if (plan.to === undefined) options.cache = true
  else options.to = plan.to
  if (globals.timeoutMs !== undefined) options.timeoutMs = globals.timeoutMs
  const offs = session.kind === 'own' ? [tellEvicted(context, session.node)] : []
  const transfer = session.node.fetch(plan.source, options)
  offs.push(meterTransfer(out, transfer))
  try {
    return await transfer.done
  } finally {
    for (const off of offs) off()
  }
}

function tellDone(out: Output, { skipped, ...result }: FetchResult): void {
  const { cid, path, size, seconds, fetched, resumed, peers } = result
  reportSkipped(out, skipped)
  const rounded = Math.round(seconds * SECOND_MS) / SECOND_MS
  out.event('done', { cid, path, size, seconds: rounded, fetched, resumed, peers })
  out.result(out.quiet ? printable(path) : `${printable(path)}: ${describeDone(result)}`)
}

function describeDone({ size, seconds, fetched, resumed, peers }: Omit<FetchResult, 'skipped'>): string {
  if (fetched === 0) return `${formatBytes(size)}, all of it was here already`
  const time = formatDuration(seconds * SECOND_MS)
  const rate = formatRate(seconds > 0 ? fetched / seconds : 0)
  const rest = resumed > 0 ? `, ${formatBytes(resumed)} was here already` : ''
  return `${formatBytes(size)} in ${time} (${rate}) from ${plural(peers, 'peer')}${rest}`
}

function alreadyHere(cid: string, { path, size }: { path: string; size: number }): FetchResult {
  return { cid, path, size, seconds: 0, fetched: 0, resumed: size, peers: 0, skipped: [] }
}
