/**
 * In which order the addresses of a peer are given, where only the first few count: one of each kind, then the second of
 * each. A machine with ten networks of a container engine (172.18.0.1, 172.19.0.1, …) is reached by others at one address
 * alone, which stands anywhere among them; libp2p's peer store sorts them by their letters. Of private IPv4 ones those of
 * each range are a kind (10, 172, 192): a home network is of another than most container networks.
 */
import { isPrivate } from '@libp2p/utils'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'

/** Public ones first, then those of each kind in the order given. */
export function oneOfEachKind<T extends string | Multiaddr>(addrs: readonly T[]): T[] {
  const kinds = { public: new Map<string, T[]>(), private: new Map<string, T[]>() }
  for (const addr of addrs) {
    const parsed = multiaddr(addr)
    const [host] = parsed.getComponents()
    const isInside = isPrivate(parsed)
    const range = isInside && host?.name === 'ip4' ? host.value?.split('.')[0] : ''
    const kind = `${host?.name} ${range}`
    const families = isInside ? kinds.private : kinds.public
    const alike = families.get(kind)
    if (alike === undefined) families.set(kind, [addr])
    else alike.push(addr)
  }
  const queues = [...kinds.public.values(), ...kinds.private.values()]
  const longest = Math.max(0, ...queues.map(({ length }) => length))
  return Array.from({ length: longest }, (_, at) => queues.flatMap(queue => queue.slice(at, at + 1))).flat()
}
