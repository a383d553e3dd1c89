/**
 * A transport that keeps the dial guard's books: whoever dials here, swarm or DHT, an address that a stranger named and
 * that fails again and again is left alone.
 */
import type { Connection, Transport } from '@libp2p/interface'
import { CODE_P2P, type Multiaddr } from '@multiformats/multiaddr'
import { ShoalError } from '../../base/errors.ts'
import { isTcpAddr } from './addresses.ts'
import { otherFound, wasSent } from './dial-error.ts'
import { type DialGuard, MAX_FAILED_OF_HOST } from './dial-guard.ts'

/**
 * Of one host, for the DHT: where many nodes that come and go live behind one address, more of them are found dead. The
 * swarm's dialer is stricter before it comes here.
 */
export const MAX_FAILED_OF_HOST_AT_ALL = 4 * MAX_FAILED_OF_HOST

/** A limit that ends a dial after so long ended one in vain. */
const VAIN_MS = 2_000

/** As the guard knows it. */
export function plainAddr(addr: Multiaddr): string {
  return addr.decapsulateCode(CODE_P2P).toString()
}

/** @param now monotonic, ms */
export function guardDials<T extends Transport>(transport: T, guard: DialGuard, now: () => number): T {
  const dial = transport.dial.bind(transport)
  transport.dial = async (target: Multiaddr, options): Promise<Connection> => {
    const addr = plainAddr(target)
    const peerId = target.getComponents().findLast(({ code }) => code === CODE_P2P)?.value ?? ''
    if (!isTcpAddr(target)) throw new ShoalError('ERR_UNREACHABLE', `${addr} is no TCP address`)
    if (!guard.allows(addr, peerId, now(), MAX_FAILED_OF_HOST_AT_ALL)) {
      throw new ShoalError('ERR_UNREACHABLE', `${addr} failed too often to be tried again now`)
    }
    guard.began(addr, peerId)
    const beganAt = now()
    try {
      const connection = await dial(target, options)
      guard.succeeded(addr, connection.remotePeer.toString())
      return connection
    } catch (err) {
      const isVain = !isCalledOff(options.signal) || now() - beganAt >= VAIN_MS
      if (isVain && wasSent(err)) guard.failed(addr, now(), peerId)
      const other = otherFound(err)
      if (other !== undefined) guard.found(addr, other)
      throw err
    } finally {
      guard.ended(addr, peerId)
    }
  }
  return transport
}

/** Whoever answers nothing fails as well; a dial that is called off early does not. */
function isCalledOff(signal: AbortSignal | undefined): boolean {
  if (signal?.aborted !== true) return false
  return !(signal.reason instanceof Error && signal.reason.name === 'TimeoutError')
}
