/** `shoal daemon`: a node in the foreground until a signal. */
import type { Command } from 'commander'
import { formatBytes } from '../../base/units.ts'
import type { RootInfo, ShoalNode } from '../../node/api.ts'
import type { CommandContext, RunAction } from '../context.ts'
import { DONE } from '../exit-code.ts'
import { formatCount, plural, printable } from '../render/text.ts'
import { tellChanged, tellEvicted } from '../seeding.ts'
import { lockedBy, openSession } from '../session.ts'
import { packageVersion } from '../version.ts'
import { describeLimits, describeStorageLimit } from './limit.ts'

const MAX_ROOTS_TOLD = 10

export function addDaemon(program: Command, run: RunAction): void {
  program
    .command('daemon')
    .description('run a node in the foreground until a signal; seeds what share and get left in the data folder')
    .action(() => run(daemon))
}

async function daemon(context: CommandContext): Promise<number> {
  const { io, out } = context
  io.interrupt.exitCode = DONE
  const session = await openSession(context, { mode: 'daemon', dht: 'server' })
  if (session.kind === 'remote') {
    await session.close()
    throw lockedBy(session.info, 'stop it first, or choose another --data-dir')
  }
  const { node } = session
  try {
    const names = new Map<string, string>()
    const stop = tellEvents(context, node, names)
    const roots = await node.list()
    for (const root of roots) names.set(root.cid, root.name)
    tellReady(context, node, roots)
    await io.interrupt.fired()
    stop()
    out.note('stopping')
    return DONE
  } finally {
    await session.close()
  }
}

function tellReady({ globals, out }: CommandContext, node: ShoalNode, roots: readonly RootInfo[]): void {
  out.event('ready', { peerId: node.peerId, addrs: node.addrs })
  const size = formatBytes(roots.reduce((sum, root) => sum + root.have, 0))
  const lines = [
    `shoal ${packageVersion()}, pid ${process.pid}`,
    `peer ID    ${node.peerId}`,
    `data       ${printable(globals.dataDir)}`,
    ...node.addrs.map((addr, i) => `${(i === 0 ? 'addresses' : '').padEnd(11)}${addr}`),
    `seeding    ${plural(roots.length, 'root')}, ${size}`,
    ...roots.slice(0, MAX_ROOTS_TOLD).map(root => `           ${printable(root.name)}, ${formatBytes(root.size)}`)
  ]
  if (roots.length > MAX_ROOTS_TOLD) {
    lines.push(`           and ${formatCount(roots.length - MAX_ROOTS_TOLD)} more: shoal ls`)
  }
  for (const line of lines) out.result(line)
  out.result('ready')
}

/** One line each on stderr; with `--json`, what has an event is told as one. */
function tellEvents(context: CommandContext, node: ShoalNode, names: Map<string, string>): () => void {
  const { out } = context
  const nameOf = (cid: string) => printable(names.get(cid) ?? cid)
  const stops = [
    tellChanged(context, node),
    tellEvicted(context, node),
    node.on('root:shared', ({ cid, path }) => {
      names.set(cid, path.slice(path.lastIndexOf('/') + 1))
      out.note(`shared ${printable(path)} as ${cid}`)
    }),
    node.on('root:announced', ({ cid, nodes }) => {
      out.event('announced', { cid, nodes })
      out.note(`announced ${nameOf(cid)} to ${plural(nodes, 'node')}`)
    }),
    node.on('limits:changed', ({ cid, ...limits }) => {
      out.event('limits', { cid, ...limits })
      out.note(`${cid === null ? 'all transfers together' : nameOf(cid)}: ${describeLimits(limits)}`)
    }),
    node.on('storage:limited', storage => {
      out.event('storage', { ...storage })
      out.note(describeStorageLimit(storage))
    }),
    node.on('root:pinned', ({ cid, pinned }) => out.note(`${pinned ? 'pinned' : 'unpinned'} ${nameOf(cid)}`)),
    node.on('root:removed', ({ cid }) => out.note(`stopped sharing ${nameOf(cid)}`)),
    node.on('peer:banned', ({ peerId, reason }) => out.note(`banned peer ${peerId}: ${reason}`))
  ]
  return () => {
    for (const stop of stops) stop()
  }
}
