/**
 * For a node that nobody answers: whoever is connected and silent is dialled anew. A machine may have lost its network in
 * the very moment in which it was dialled, and that connection stands for minutes, as does one that outlived a router.
 * The old one ends only once there is another: a peer that is merely slow keeps what it is doing.
 */
import type { Connection, Libp2p, PeerId } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { withLinked } from '../../base/abort-signals.ts'
import { ShoalError } from '../../base/errors.ts'
import type { Logger } from '../../base/log.ts'
import { plainAddrs } from './addresses.ts'

/** How long a connected peer may take to answer. */
const PING_TIMEOUT_MS = 5_000
const DIAL_TIMEOUT_MS = 16_000
/** Connections looked at in one round. */
const MAX_LOOKED_AT = 8

/** Asks a connected peer for a sign of life; rejects without one. */
export type AskForLife = (peer: PeerId, signal: AbortSignal) => Promise<unknown>

export interface RedialSilentInit {
  readonly libp2p: Pick<Libp2p, 'getConnections' | 'dial'>
  readonly ping: AskForLife
  /** Where a peer that dialled us can be dialled; empty when nobody knows. */
  readonly addrsOf: (peerId: string) => readonly string[]
  readonly log: Logger
  readonly signal: AbortSignal
}

/** Resolves when each has answered, was dialled anew or could not be. Never rejects. */
export async function redialSilent(init: RedialSilentInit): Promise<void> {
  const connections = init.libp2p.getConnections().slice(0, MAX_LOOKED_AT)
  await Promise.all(connections.map(connection => redial(connection, init)))
}

async function redial(connection: Connection, { libp2p, ping, addrsOf, log, signal }: RedialSilentInit): Promise<void> {
  const id = connection.remotePeer
  try {
    await withLinked([signal, AbortSignal.timeout(PING_TIMEOUT_MS)], limit => ping(id, limit))
    return
  } catch (err) {
    // who refuses to answer is there
    if (signal.aborted || (err instanceof Error && err.name === 'UnsupportedProtocolError')) return
    log.debug(`${id} is connected and silent`, err)
  }
  const addrs = connection.direction === 'outbound' ? plainAddrs([connection.remoteAddr]) : addrsOf(id.toString())
  if (addrs.length === 0) return
  try {
    const another = addrs.map(addr => multiaddr(addr).encapsulate(`/p2p/${id}`))
    const signals = [signal, AbortSignal.timeout(DIAL_TIMEOUT_MS)]
    await withLinked(signals, limit => libp2p.dial(another, { signal: limit, force: true }))
    connection.abort(new ShoalError('ERR_UNREACHABLE', 'it was silent; there is another connection now'))
  } catch (err) {
    log.debug(`${id} does not answer`, err)
  }
}
