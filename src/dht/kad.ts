/**
 * The Kademlia service, set up for networks of any kind: private and loopback addresses count, records live 48 h, and
 * the only re-announcer is ours (reprovider.ts).
 */
import type { PeerId } from '@libp2p/interface'
import {
  type KadDHT,
  type KadDHTComponents,
  type KadDHTInit,
  kadDHT,
  passthroughMapper,
  type QueryEvent,
  type SingleKadDHT
} from '@libp2p/kad-dht'
import type { CID } from 'multiformats/cid'
import { ShoalError } from '../base/errors.ts'
import { type MadeFor, requireMethods } from '../base/inner-parts.ts'
import { paceAnswers } from './answer-pace.ts'
import { boundAnswers } from './bounded-answers.ts'
import { keepStreams } from './kept-streams.ts'
import { dropKnownPeers } from './known-peers.ts'
import { giveLiveRecords } from './live-records.ts'
import { markOwnAnnouncements } from './own-announcements.ts'
import { type Pace, USUAL_PACE } from './pace.ts'
import { steadyTimeouts } from './steady-timeouts.ts'
import { trustConnected } from './sure-contacts.ts'

export type { KadDHT } from '@libp2p/kad-dht'

export const KAD_PROTOCOL = '/shoal/kad/1.0.0'

/** Peers in a bucket, and nodes that hold a record; kad-dht's default. */
export const K = 20

/** Peers that wait to be tried for the routing table; an update looks through them all. */
const MAX_TABLE_UPDATES = 1_024

/** How long another node keeps a provider record. */
export const RECORD_VALIDITY_MS = 48 * 3_600_000

export const KAD_LIBRARY: MadeFor = { name: '@libp2p/kad-dht', version: '16.4.5' }
/** Replaced or called here and in the files that set the service up, beyond its published type. */
const INNER_METHODS = [
  'contentRouting.peerRouting.getClosestPeers',
  'network._writeMessage',
  'network._writeReadMessage',
  'network.components.connectionManager.openStream',
  'network.safeDispatchEvent',
  'network.sendRequest',
  'network.timeout.next.push',
  'providers.addProvider',
  'providers.getProviders',
  'providers.loadProviders',
  'queryManager.initialQuerySelfHasRun.resolve',
  'reprovider.processRecords',
  'routingTable.add',
  'routingTable.closestPeers',
  'routingTable.components.ping.ping',
  'routingTable.find',
  'routingTable.kb.verify',
  'routingTable.pingNewContactTimeout.next.push',
  'routingTable.pingOldContactTimeout.next.push',
  'routingTable.queueRoutingTableUpdate',
  'routingTable.remove',
  'routingTable.safeDispatchEvent',
  'rpc.handleMessage',
  'rpc.handlers.ADD_PROVIDER.handle',
  'rpc.onIncomingStream'
]

export interface KadOptions {
  /** `server` answers queries and is put in routing tables; `client` only asks. Default `server`. */
  mode?: 'server' | 'client'
  /** A private network uses a prefix of its own. Default {@link KAD_PROTOCOL}. */
  protocol?: string
  /** Default {@link USUAL_PACE}. */
  pace?: Pace
}

export function kad(options: KadOptions = {}): (components: KadDHTComponents) => KadDHT {
  const { limits } = options.pace ?? USUAL_PACE
  const pingTimeout = { minTimeout: 3_000 * limits, maxTimeout: 6_000 * limits }
  const init: KadDHTInit = {
    protocol: options.protocol ?? KAD_PROTOCOL,
    clientMode: options.mode === 'client',
    // The default drops private addresses, which leaves the routing table of a LAN empty.
    peerInfoMapper: passthroughMapper,
    // The first self-query waits for the first peer and then runs at once; every other one of kad-dht's waits for it.
    initialQuerySelfInterval: 0,
    allowQueryWithZeroPeers: false,
    // A request to one node, its dial included. The default goes up to 60 s after failures.
    networkDialTimeout: { minTimeout: 5_000 * limits, maxTimeout: 10_000 * limits },
    pingNewContactTimeout: pingTimeout,
    // Each is a dial: a table that fills a little later costs nothing, a burst of handshakes delays what the user waits for.
    pingNewContactConcurrency: 8,
    // Who is named while so many wait is left out: answers name the same peers over and over, strangers' names are free.
    routingTableUpdateMaxQueueSize: MAX_TABLE_UPDATES,
    pingOldContactTimeout: pingTimeout,
    maxInboundStreams: 128,
    maxOutboundStreams: 128,
    // Values are not ours: by default anyone may store public keys here, of any size, and nothing ever drops them.
    validators: { pk: refuseValue },
    // kad-dht's own pass is kept for what it cleans up; threshold 0 keeps it from announcing anything, since the
    // reprovider renews our records long before they expire.
    reprovide: { validity: RECORD_VALIDITY_MS, threshold: 0 }
  }
  return components => {
    const { connectionManager, peerId, peerStore } = components
    const made = kadDHT(init)(components)
    requireMethods(KAD_LIBRARY, made, INNER_METHODS)
    const dht = boundAnswers(keepStreams(dropKnownPeers(made, peerId)))
    boundFirstQuery(dht)
    steadyTimeouts(dht)
    paceAnswers(dht)
    markOwnAnnouncements(dht, peerStore)
    giveLiveRecords(dht, { self: peerId, peerStore, validityMs: RECORD_VALIDITY_MS })
    return trustConnected(dht, {
      self: peerId,
      isConnected: peer => connectionManager.getConnections(peer).length > 0,
      dial: (peer, options) => connectionManager.openConnection(peer, options)
    })
  }
}

async function refuseValue(): Promise<void> {
  throw new ShoalError('ERR_PROTOCOL', 'this DHT holds provider records, no values')
}

/**
 * Every query of kad-dht's own, such as that for a peer's addresses, waits for the first one, by which a node looks for
 * its neighbours. That has no time limit of its own, and where some of those named are silent it lasts for tens of
 * seconds, in which nothing is found.
 */
const FIRST_QUERY_MS = 2_000

function boundFirstQuery(dht: KadDHT): void {
  const { queryManager } = dht as unknown as { queryManager: { initialQuerySelfHasRun?: { resolve(): void } } }
  const table = routingTable(dht)
  const onAdd = () => {
    table.removeEventListener('peer:add', onAdd)
    setTimeout(() => queryManager.initialQuerySelfHasRun?.resolve(), FIRST_QUERY_MS).unref()
  }
  table.addEventListener('peer:add', onAdd)
}

/** Of the Kademlia specification of libp2p. */
export type Question = 'FIND_NODE' | 'GET_PROVIDERS'

export type SendRequest = (
  to: PeerId,
  message: { type: Question; key: Uint8Array },
  options: { signal: AbortSignal; path: { index: number; queued: number; running: number; total: number } }
) => AsyncIterable<QueryEvent>

/** Asks one node; the events are its part of a lookup. Failures are events too. */
export function requestOf(dht: KadDHT): SendRequest {
  const { network } = dht as unknown as { network: { sendRequest: SendRequest } }
  return (to, message, options) => network.sendRequest(to, message, options)
}

/** What we use of the routing table beyond its published type. */
export interface RoutingTableView {
  readonly size: number
  addEventListener(type: 'peer:add' | 'peer:remove', listener: (event: CustomEvent<PeerId>) => void): void
  removeEventListener(type: 'peer:add' | 'peer:remove', listener: (event: CustomEvent<PeerId>) => void): void
  find(peer: PeerId): Promise<PeerId | undefined>
  /** By distance from the SHA-256 of a key. */
  closestPeers(kadId: Uint8Array, options: { count: number }): PeerId[]
  /** Once it is sure that it is there; see sure-contacts.ts. */
  add(peer: PeerId): Promise<void>
  remove(peer: PeerId): Promise<void>
}

export function routingTable(dht: KadDHT): RoutingTableView {
  return (dht as SingleKadDHT).routingTable as unknown as RoutingTableView
}

/** Peer IDs of those in the routing table, from now on; it is to be empty. */
export function tableMembers(dht: KadDHT): ReadonlySet<string> {
  const members = new Set<string>()
  const table = routingTable(dht)
  table.addEventListener('peer:add', ({ detail }) => members.add(detail.toString()))
  table.addEventListener('peer:remove', ({ detail }) => members.delete(detail.toString()))
  return members
}

/** Who provides `cid` by the records that others left here. */
export async function ownRecords(dht: KadDHT, cid: CID): Promise<PeerId[]> {
  const { providers } = dht as unknown as { providers: { getProviders(cid: CID): Promise<PeerId[]> } }
  return await providers.getProviders(cid)
}

/** Writes the record that `peer` provides `cid` into this node's own store of records, without telling anyone. */
export async function writeOwnRecord(dht: KadDHT, cid: CID, peer: PeerId): Promise<void> {
  const { providers } = dht as unknown as { providers: { addProvider(cid: CID, peer: PeerId): Promise<void> } }
  await providers.addProvider(cid, peer)
}
