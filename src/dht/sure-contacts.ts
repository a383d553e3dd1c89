/**
 * kad-dht pings a peer before it enters the routing table: a stream, a round trip and their timers for each. Whoever is
 * connected was there at its handshake, and the table keeper removes who then fails a query, so only the others are
 * pinged. In a young network every peer learns of all others within a second, and is connected to nearly all of them.
 */
import type { PeerId } from '@libp2p/interface'
import { type KadDHT, routingTable } from './kad.ts'

interface Contact {
  peerId: PeerId
}

interface TableView {
  kb?: { verify?: (contact: Contact, options?: object) => Promise<boolean> }
  safeDispatchEvent?(type: 'peer:ping', init: { detail: PeerId }): void
}

export function trustConnected(dht: KadDHT, isConnected: (peer: PeerId) => boolean): KadDHT {
  const table = routingTable(dht) as TableView
  const { kb } = table
  const ping = kb?.verify
  if (kb === undefined || ping === undefined) return dht
  kb.verify = async (contact, options) => {
    if (!isConnected(contact.peerId)) return await ping(contact, options)
    // As after a ping: the nearest of those heard of are kept connected.
    table.safeDispatchEvent?.('peer:ping', { detail: contact.peerId })
    return true
  }
  return dht
}
