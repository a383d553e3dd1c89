/** `shoal status [CID]`: rates, swarms and the DHT, of the node that runs or of the data folder alone. */
import type { Command } from 'commander'
import { formatBytes, formatDuration, formatRate } from '../../base/units.ts'
import type { NodeStatus, RootInfo, StorageInfo } from '../../node/api.ts'
import type { CommandContext, RunAction } from '../context.ts'
import { type Column, renderTable } from '../render/table.ts'
import { percent, plural, printable } from '../render/text.ts'
import { openSession } from '../session.ts'

const COLUMNS: readonly Column<RootInfo>[] = [
  { title: 'NAME', value: root => root.name, gives: true },
  { title: 'SIZE', value: root => formatBytes(root.size), align: 'right' },
  { title: 'HAVE', value: root => percent(root.have, root.size), align: 'right' },
  { title: 'STATE', value: root => root.state },
  { title: 'PEERS', value: root => String(root.peers), align: 'right' },
  { title: 'UP', value: root => formatRate(root.up), align: 'right' },
  { title: 'DOWN', value: root => formatRate(root.down), align: 'right' }
]

export function addStatus(program: Command, run: RunAction): void {
  program
    .command('status')
    .description('rates, swarms and the DHT; with a CID, that root alone')
    .argument('[cid]', 'a CID or link')
    .action((text: string | undefined) => run(context => status(context, text)))
}

async function status(context: CommandContext, text: string | undefined): Promise<undefined> {
  const { io, out, signal, globals } = context
  const cid = text === undefined ? undefined : (await io.load.parseSource(text)).cid
  const session = await openSession(context, { mode: 'offline' })
  try {
    const running = session.kind === 'remote'
    const result = await session.node.status(cid === undefined ? { signal } : { signal, cid })
    const mode = running ? result.mode : 'offline'
    out.event('status', { running, ...result, mode })
    if (!running) out.result(`no node is running on ${printable(globals.dataDir)}`)
    const [root] = result.roots
    const lines =
      cid !== undefined && root !== undefined
        ? describeRoot(root)
        : [
            ...(running ? describeNode(result) : []),
            ...describeStorage(result.storage),
            ...describeRoots(result.roots, out.tableColumns)
          ]
    for (const line of lines) out.result(line)
    // A node of our own has told its problems when it started.
    if (running) for (const problem of result.problems) out.warn(problem)
  } finally {
    await session.close()
  }
  return undefined
}

function describeNode(status: NodeStatus): string[] {
  const { dht, limits } = status
  const next = dht.nextReprovideMs === null ? '' : `, again in ${formatDuration(dht.nextReprovideMs)}`
  const told = dht.peers === 0 ? 'to announce once a peer is known' : 'announced'
  return [
    `shoal ${status.mode} ${status.version}, pid ${status.pid}, up ${formatDuration(status.uptimeMs)}`,
    field('peer ID', status.peerId),
    field('data', printable(status.dataDir)),
    ...status.addrs.map((addr, i) => field(i === 0 ? 'addresses' : '', addr)),
    field('peers', `${status.connections} connected`),
    field(
      'DHT',
      `${dht.mode}, ${plural(dht.peers, 'node')} known, ${plural(dht.provided, 'root')} ${told}${dht.peers === 0 ? '' : next}`
    ),
    field('up', `${formatRate(status.up)}${limit(limits.up)}, ${formatBytes(status.sentBytes)} sent`),
    field('down', `${formatRate(status.down)}${limit(limits.down)}, ${formatBytes(status.receivedBytes)} received`)
  ]
}

/** Nothing where nothing was fetched and nothing is limited. */
export function describeStorage(info: StorageInfo): string[] {
  const { used, reserved, limit } = info
  return used === 0 && reserved === 0 && limit === null ? [] : [field('storage', describeHeld(info))]
}

export function describeHeld({ used, reserved, limit, evictable }: StorageInfo): string {
  const parts = [`${formatBytes(used)} fetched${limit === null ? '' : ` (limit ${formatBytes(limit)})`}`]
  if (reserved > 0) parts.push(`${formatBytes(reserved)} more promised to fetches`)
  if (evictable > 0) parts.push(`${formatBytes(evictable)} may be deleted for room`)
  return parts.join(', ')
}

function describeRoots(roots: readonly RootInfo[], columns: number | undefined): string[] {
  return roots.length === 0 ? [field('roots', 'none')] : ['', ...renderTable(COLUMNS, roots, columns)]
}

export function describeRoot(root: RootInfo): string[] {
  return [
    field('name', printable(root.name)),
    field('CID', root.cid),
    field('link', printable(root.link)),
    field('path', printable(root.path)),
    field('state', root.problem === null ? root.state : `${root.state}: ${printable(root.problem)}`),
    ...(root.pinned ? [] : [field('unpinned', 'may be deleted when room is needed')]),
    field('have', `${percent(root.have, root.size)}, ${formatBytes(root.have)} of ${formatBytes(root.size)}`),
    field('pieces', `${root.piecesHave} of ${root.pieces}`),
    field('peers', `${root.peers} in this swarm`),
    field('up', `${formatRate(root.up)}${limit(root.limits.up)}, ${formatBytes(root.sentBytes)} sent`),
    field('down', `${formatRate(root.down)}${limit(root.limits.down)}, ${formatBytes(root.receivedBytes)} received`)
  ]
}

function limit(rate: number | null): string {
  return rate === null ? '' : ` (limit ${formatRate(rate)})`
}

function field(name: string, value: string): string {
  return `${name.padEnd(11)}${value}`
}
