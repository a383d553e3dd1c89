/**
 * Who needs no ping to enter the routing table. kad-dht pings every peer first: a stream, a round trip and their timers
 * for each. Whoever is connected was there at its handshake, so only the others are pinged, and those of whom the table
 * keeper has its doubts: a machine that lost its network stays connected until a timer fires.
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

/** Connected peers that do not answer, as the table keeper found; they are not taken for sure until they do. */
export interface Contacts {
  readonly doubted: Set<string>
  /** Asks whether it answers, for 3 to 6 s. */
  ping(peer: PeerId): Promise<boolean>
}

const known = new WeakMap<KadDHT, Contacts>()

export function trustConnected(dht: KadDHT, isConnected: (peer: PeerId) => boolean): KadDHT {
  const table = routingTable(dht) as TableView
  const { kb } = table
  const ping = kb?.verify
  if (kb === undefined || ping === undefined) return dht
  const doubted = new Set<string>()
  known.set(dht, { doubted, ping: peer => ping({ peerId: peer }) })
  kb.verify = async (contact, options) => {
    if (!isConnected(contact.peerId) || doubted.has(contact.peerId.toString())) return await ping(contact, options)
    // As after a ping: the nearest of those heard of are kept connected.
    table.safeDispatchEvent?.('peer:ping', { detail: contact.peerId })
    return true
  }
  return dht
}

/** Of a DHT that `trustConnected` has set up; of another one, everybody answers. */
export function contactsOf(dht: KadDHT): Contacts {
  return known.get(dht) ?? { doubted: new Set(), ping: async () => true }
}
