/** What `status` says of the node itself: who it is, whom it knows, what it moves. */
import type { SwarmHost } from '../transfer/io/swarm-host.ts'
import type { NodeStatus } from './api.ts'
import type { Network } from './network.ts'
import { version } from './version.ts'

export type NodeFacts = Omit<NodeStatus, 'dataDir' | 'uptimeMs' | 'limits' | 'storage' | 'roots' | 'problems'>

/** Both undefined: the node is offline. */
export function describeNode(network: Network | undefined, swarms: SwarmHost | undefined): NodeFacts {
  let [up, down, sentBytes, receivedBytes] = [0, 0, 0, 0]
  for (const swarm of swarms?.swarms ?? []) {
    const rates = swarm.rates()
    up += rates.up
    down += rates.down
    sentBytes += swarm.sentBytes
    receivedBytes += swarm.receivedBytes
  }
  return {
    peerId: network?.host.peerId ?? '',
    addrs: network?.host.addrs() ?? [],
    mode: network === undefined ? 'offline' : 'embedded',
    pid: process.pid,
    version,
    connections: network?.connectionCount ?? 0,
    dht: {
      mode: network?.host.routing.mode ?? 'off',
      peers: network?.host.routing.tableSize ?? 0,
      provided: network?.reprovider.size ?? 0,
      nextReprovideMs: network?.reprovider.nextInMs() ?? null
    },
    up: Math.round(up),
    down: Math.round(down),
    sentBytes,
    receivedBytes
  }
}
