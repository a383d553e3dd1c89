/** The connections of a node and what its swarms exchange over them. */
import { CID } from 'multiformats/cid'
import type { SwarmHost } from '../transfer/io/swarm-host.ts'
import type { PeerInfo } from './api.ts'
import type { Network } from './network.ts'

export function describePeers(network: Network, swarms: SwarmHost | undefined): PeerInfo[] {
  const peers = new Map<string, PeerInfo>()
  for (const connection of network.host.libp2p.getConnections()) {
    const peerId = connection.remotePeer.toString()
    if (peers.has(peerId)) continue
    peers.set(peerId, {
      peerId,
      addr: connection.remoteAddr.toString(),
      direction: connection.direction,
      up: 0,
      down: 0,
      sentBytes: 0,
      receivedBytes: 0,
      roots: []
    })
  }
  for (const swarm of swarms?.swarms ?? []) {
    const cid = CID.decode(swarm.root).toString()
    for (const session of swarm.sessions) {
      const peer = peers.get(session.peerId)
      if (peer === undefined) continue
      const rates = swarm.sessionRates(session.id)
      peer.up += Math.round(rates.up)
      peer.down += Math.round(rates.down)
      peer.sentBytes += session.sentBytes
      peer.receivedBytes += session.receivedBytes
      peer.roots.push(cid)
    }
  }
  return [...peers.values()]
}
