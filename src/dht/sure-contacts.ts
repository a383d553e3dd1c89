/**
 * Who needs no ping to enter the routing table. kad-dht pings every peer first: a stream, a round trip and their timers
 * for each. Whoever is connected was there at its handshake, so nobody is pinged who is, but those of whom the table
 * keeper has its doubts: a machine that lost its network stays connected until a timer fires. The others are dialled.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { AbortOptions, PeerId } from '@libp2p/interface'
import { type KadDHT, routingTable } from './kad.ts'

/**
 * Two nodes that hear of one another, in the answers of a third, would dial at the same moment and pay for two
 * handshakes: the one whose ID is the greater waits so long for the other's. On a machine under load one takes that long.
 */
const YIELD_MS = 1_000
const LOOK_MS = 100

interface Contact {
  peerId: PeerId
}

type Ping = (peer: PeerId, options?: AbortOptions) => Promise<number>

interface TableView {
  kb?: { verify?: (contact: Contact, options?: object) => Promise<boolean> }
  components?: { ping: { ping: Ping } }
  safeDispatchEvent?(type: 'peer:ping', init: { detail: PeerId }): void
}

/** Connected peers that do not answer, as the table keeper found; they are not taken for sure until they do. */
export interface Contacts {
  readonly doubted: Set<string>
  /** Asks whether it answers, for 3 to 6 s. */
  ping(peer: PeerId): Promise<boolean>
}

export interface Connections {
  readonly self: PeerId
  isConnected(peer: PeerId): boolean
  /** @throws when it cannot be reached */
  dial(peer: PeerId, options: AbortOptions): Promise<unknown>
}

const known = new WeakMap<KadDHT, Contacts>()

export function trustConnected(dht: KadDHT, connections: Connections): KadDHT {
  const table = routingTable(dht) as TableView
  const { kb } = table
  const verify = kb?.verify
  if (kb === undefined || verify === undefined) return dht
  const doubted = new Set<string>()
  const newcomers = new Set<string>()
  const isSure = (peer: PeerId) => connections.isConnected(peer) && !doubted.has(peer.toString())
  /** The handshake says what a ping would. */
  const dialNew = async (contact: Contact, options?: object): Promise<boolean> => {
    const id = contact.peerId.toString()
    newcomers.add(id)
    try {
      return await verify(contact, options)
    } finally {
      newcomers.delete(id)
    }
  }
  pingUnless(table, async (peer, options) => {
    if (!newcomers.has(peer.toString()) || doubted.has(peer.toString())) return false
    if (connections.self.toString() > peer.toString()) await isComing(() => connections.isConnected(peer), options)
    if (!connections.isConnected(peer)) await connections.dial(peer, options)
    return true
  })
  known.set(dht, { doubted, ping: peer => verify({ peerId: peer }) })
  kb.verify = async (contact, options) => {
    if (!isSure(contact.peerId)) return await dialNew(contact, options)
    // As after a ping: the nearest of those heard of are kept connected.
    table.safeDispatchEvent?.('peer:ping', { detail: contact.peerId })
    return true
  }
  return dht
}

async function isComing(hasCome: () => boolean, { signal }: AbortOptions): Promise<void> {
  for (let waitedMs = 0; waitedMs < YIELD_MS && !hasCome(); waitedMs += LOOK_MS)
    await delay(LOOK_MS, undefined, { ...(signal && { signal }), ref: false })
}

/** @param isThere whether it was found otherwise that the peer is there; throws when that it is not */
function pingUnless(table: TableView, isThere: (peer: PeerId, options: AbortOptions) => Promise<boolean>): void {
  const { components } = table
  if (components === undefined) return
  const { ping } = components
  const answer: Ping = async (peer, options = {}) =>
    (await isThere(peer, options)) ? 0 : await ping.ping(peer, options)
  table.components = Object.create(components, { ping: { value: { ping: answer } } })
}

/** Of a DHT that `trustConnected` has set up; of another one, everybody answers. */
export function contactsOf(dht: KadDHT): Contacts {
  return known.get(dht) ?? { doubted: new Set(), ping: async () => true }
}
