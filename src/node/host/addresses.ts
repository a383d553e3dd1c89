/** Multiaddrs that users give and get. */
import { peerIdFromString } from '@libp2p/peer-id'
import { CODE_P2P, type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { isLoopbackAddr } from 'is-loopback-addr'
import { ShoalError } from '../../base/errors.ts'
import { oneOfEachKind } from '../../dht/address-order.ts'

const EXAMPLE = '/ip4/192.0.2.7/tcp/4160'

export interface PeerAddress {
  /** Without `/p2p/…`; undefined when only a peer ID was given (`/p2p/12D3…`). */
  addr: Multiaddr | undefined
  /** Undefined where the address names none. */
  peerId: string | undefined
}

/**
 * A TCP address of a peer, with or without `/p2p/<peer ID>`, or `/p2p/<peer ID>` alone.
 * @throws ERR_BAD_MULTIADDR
 */
export function parseMultiaddr(text: string): PeerAddress {
  const parsed = parse(text, `${EXAMPLE} or ${EXAMPLE}/p2p/12D3KooW…`)
  const names = parsed.getComponents().map(component => component.name)
  const peerId = parsed.getComponents().findLast(component => component.code === CODE_P2P)?.value
  if (names.includes('p2p-circuit')) bad(text, 'relayed addresses are not supported')
  if (peerId !== undefined && !isPeerId(peerId)) bad(text, `${peerId.slice(0, 60)} is no peer ID`)
  const rest = parsed.decapsulateCode(CODE_P2P)
  if (rest.getComponents().length === 0) {
    if (peerId === undefined) bad(text, 'it names no address and no peer')
    return { addr: undefined, peerId }
  }
  requireTcp(rest, text)
  const port = Number(rest.getComponents()[1]?.value)
  if (port === 0) bad(text, 'port 0 cannot be dialled')
  return { addr: rest, peerId }
}

/**
 * An address to listen on: `/ip4/…/tcp/…` or `/ip6/…/tcp/…`, port 0 for any free one.
 * @throws ERR_BAD_MULTIADDR
 */
export function parseListenAddr(text: string): Multiaddr {
  const parsed = parse(text, '/ip4/0.0.0.0/tcp/4160')
  requireTcp(parsed, text)
  const [host] = parsed.getComponents()
  if (host?.name !== 'ip4' && host?.name !== 'ip6') bad(text, 'listen on an IP address of this machine')
  return parsed
}

/**
 * An address at which others find this node, as that of a router which forwards a port: `/ip4/…/tcp/…` or `/ip6/…/tcp/…`.
 * A host name would be of no use, as nobody looks up one that a stranger told.
 * @throws ERR_BAD_MULTIADDR
 */
export function parseAnnounceAddr(text: string): Multiaddr {
  const example = '/ip4/203.0.113.7/tcp/4160'
  const hint = `announce what others dial, like ${example}`
  const parsed = parse(text, example)
  if (parsed.getComponents().some(({ code }) => code === CODE_P2P)) {
    bad(text, 'it names a peer, and it is always this node that is meant', hint)
  }
  requireTcp(parsed, text)
  const [host, port] = parsed.getComponents()
  if (host?.name !== 'ip4' && host?.name !== 'ip6') bad(text, 'others look up no host names that they are told', hint)
  if (host.value === '0.0.0.0' || host.value === '::')
    bad(text, 'it stands for every interface, and leads nowhere', hint)
  if (Number(port?.value) === 0) bad(text, 'port 0 cannot be dialled', hint)
  return parsed
}

/**
 * Which of a node's addresses go into links and records: all but loopback ones, those when there are no others. IPv6
 * link-local ones mean nothing without the name of the interface, which differs on every machine.
 */
export function linkAddrs<T extends string | Multiaddr>(addrs: readonly T[]): T[] {
  const reachable = addrs.filter(addr => {
    const parsed = multiaddr(addr)
    return !isLoopbackAddr(parsed.getComponents()[0]?.value ?? '') && !parsed.toString().startsWith('/ip6/fe80:')
  })
  return reachable.length > 0 ? reachable : [...addrs]
}

/** Of one peer. */
export const MAX_DIALLED_ADDRS = 16

/**
 * What a node says of where it is: see {@link linkAddrs}. Public ones first, and no more than others dial: a machine that
 * runs containers has a private one for each of their networks, which lead nowhere from any other.
 * @param given by the user; they come before all others
 */
export function announcedAddrs(addrs: readonly Multiaddr[], given: readonly Multiaddr[] = []): Multiaddr[] {
  const isGiven = (addr: Multiaddr) => given.some(one => one.equals(addr))
  const others = oneOfEachKind(linkAddrs([...given, ...addrs])).filter(addr => !isGiven(addr))
  return [...given, ...others].slice(0, MAX_DIALLED_ADDRS)
}

/**
 * Without `/p2p/…`, each once. What is no multiaddr, or names a peer amid the address (a relay), is left out: the list
 * may come from a stranger.
 */
export function plainAddrs(addrs: readonly (string | Multiaddr)[]): string[] {
  const plain = new Set<string>()
  for (const addr of addrs) {
    try {
      const parsed = typeof addr === 'string' ? multiaddr(addr) : addr
      const components = parsed.getComponents()
      if (components.slice(0, -1).some(({ code }) => code === CODE_P2P)) continue
      const bare = parsed.decapsulateCode(CODE_P2P)
      if (bare.getComponents().length > 0) plain.add(bare.toString())
    } catch {
      // not an address
    }
  }
  return [...plain]
}

const HOSTS: ReadonlySet<string> = new Set(['ip4', 'ip6', 'dns', 'dns4', 'dns6'])

/**
 * A TCP port of a host, with or without `/p2p/…`. libp2p would dial more of what a stranger names: `/unix/…` is a socket
 * of this very machine, behind which may be whatever trusts those who are on it.
 */
export function isTcpAddr(addr: Multiaddr): boolean {
  const names = addr.getComponents().map(component => component.name)
  const [host, transport, ...rest] = names[0] === 'ip6zone' && names[1] === 'ip6' ? names.slice(1) : names
  if (host === undefined || !HOSTS.has(host) || transport !== 'tcp') return false
  return rest.length === 0 || (rest.length === 1 && rest[0] === 'p2p')
}

/** Whether resolving a name is needed to dial it. */
export function dnsName(addr: Multiaddr): string | undefined {
  return addr.getComponents().find(component => component.name.startsWith('dns'))?.value
}

function isPeerId(text: string): boolean {
  try {
    peerIdFromString(text)
    return true
  } catch {
    return false
  }
}

function parse(text: string, example: string): Multiaddr {
  if (!text.startsWith('/')) {
    const hostPort = /^(\d+\.\d+\.\d+\.\d+):(\d+)$/.exec(text)
    bad(
      text,
      'it begins with no slash',
      hostPort === null ? `write it like ${example}` : `write it as /ip4/${hostPort[1]}/tcp/${hostPort[2]}`
    )
  }
  try {
    return multiaddr(text)
  } catch (cause) {
    bad(text, cause instanceof Error ? cause.message : String(cause), `write it like ${example}`, cause)
  }
}

function requireTcp(addr: Multiaddr, text: string): void {
  const [host, transport, ...more] = addr.getComponents().map(component => component.name)
  if (host === 'dnsaddr') bad(text, 'dnsaddr is not supported, a host name is written /dns4/<name>/tcp/<port>')
  if (host === undefined || !HOSTS.has(host)) bad(text, `it begins with /${host ?? ''}, not with an address`)
  if (transport !== 'tcp' || more.length > 0) {
    bad(text, `shoal speaks plain TCP, this is ${[transport ?? 'no transport', ...more].join('/')}`)
  }
}

function bad(text: string, why: string, hint = `write it like ${EXAMPLE}`, cause?: unknown): never {
  throw new ShoalError('ERR_BAD_MULTIADDR', `not a usable multiaddr: ${JSON.stringify(text.slice(0, 200))}: ${why}`, {
    hint,
    ...(cause === undefined ? {} : { cause })
  })
}
