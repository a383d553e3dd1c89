/**
 * What of a DHT message is looked at. kad-dht takes what 4 MiB hold, a rewrite of the peer store for each entry: who named
 * itself a thousand times in one announcement stopped a node for seconds.
 */
import type { PeerId } from '@libp2p/interface'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { ShoalError } from '../base/errors.ts'

/** The multihash of a 512-bit hash has 66, a peer ID up to 38. */
export const MAX_KEY_BYTES = 128
/** As many as are kept. */
export const MAX_ADDRS_OF_PEER = 32

export interface RawPeer {
  /** The multihash of its peer ID. */
  readonly id?: Uint8Array
  readonly multiaddrs: readonly Uint8Array[]
}

export interface RawMessage {
  readonly key?: Uint8Array
  readonly closer: readonly RawPeer[]
  readonly providers: readonly RawPeer[]
}

/**
 * Undefined for one of a protocol that is not known here, or whose text nobody can read, as that of a host name with a
 * slash: its peer has others.
 */
export function readAddr(bytes: Uint8Array): Multiaddr | undefined {
  try {
    const addr = multiaddr(bytes)
    multiaddr(addr.toString())
    return addr
  } catch {
    return undefined
  }
}

/**
 * A question or announcement as it is handled: its sender announces itself, once, and names nobody else.
 * @throws ERR_LIMIT for a key that no honest node has
 */
export function boundQuestion<T extends RawMessage>(message: T, sender: PeerId): T {
  if ((message.key?.byteLength ?? 0) > MAX_KEY_BYTES) {
    throw new ShoalError('ERR_LIMIT', `a DHT key of ${message.key?.byteLength} bytes`)
  }
  const id = sender.toMultihash().bytes
  const own = message.providers.find(peer => peer.id !== undefined && Buffer.compare(peer.id, id) === 0)
  if (own === undefined) return { ...message, closer: [], providers: [] }
  const multiaddrs = own.multiaddrs.slice(0, MAX_ADDRS_OF_PEER).filter(addr => readAddr(addr) !== undefined)
  return { ...message, closer: [], providers: [{ ...own, multiaddrs }] }
}
