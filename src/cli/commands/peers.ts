/** `shoal peers`: the connections of the node that runs. */
import type { Command } from 'commander'
import { formatBytes, formatRate } from '../../base/units.ts'
import type { PeerInfo } from '../../node/api.ts'
import type { CommandContext, RunAction } from '../context.ts'
import { type Column, renderTable } from '../render/table.ts'
import { connectRunning } from '../session.ts'

const MIN_COLUMNS_WITH_PEER_ID = 140
const SHORT_ID_CHARS = 8

export function addPeers(program: Command, run: RunAction): void {
  program
    .command('peers')
    .description('list the connections of the running node')
    .action(() => run(peers))
}

async function peers(context: CommandContext): Promise<undefined> {
  const { out, signal } = context
  const session = await connectRunning(context, 'so there are no peers')
  try {
    const all = await session.node.peers({ signal })
    for (const { peerId, addr, up, down } of all) out.event('peer', { peerId, addr, up, down })
    if (all.length === 0) out.note('no peer is connected')
    else for (const line of renderPeers(all, out.tableColumns)) out.result(line)
  } finally {
    await session.close()
  }
  return undefined
}

export function renderPeers(all: readonly PeerInfo[], columns: number | undefined): string[] {
  const whole = columns === undefined || columns >= MIN_COLUMNS_WITH_PEER_ID
  const spec: Column<PeerInfo>[] = [
    { title: 'PEER', value: peer => (whole ? peer.peerId : `…${peer.peerId.slice(-SHORT_ID_CHARS)}`) },
    { title: 'ADDRESS', value: peer => peer.addr.replace(`/p2p/${peer.peerId}`, ''), gives: true },
    { title: 'DIR', value: peer => (peer.direction === 'inbound' ? 'in' : 'out') },
    { title: 'UP', value: peer => formatRate(peer.up), align: 'right' },
    { title: 'DOWN', value: peer => formatRate(peer.down), align: 'right' },
    { title: 'SENT', value: peer => formatBytes(peer.sentBytes), align: 'right' },
    { title: 'RECEIVED', value: peer => formatBytes(peer.receivedBytes), align: 'right' }
  ]
  return renderTable(spec, all, columns)
}
