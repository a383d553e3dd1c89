/**
 * In which order the addresses of a peer are given, where only the first few count: one of each kind, then the second of
 * each. A machine with ten networks of a container engine (172.18.0.1, 172.19.0.1, …) is reached by others at one address
 * alone, which stands anywhere among them; libp2p's peer store sorts them by their letters.
 */
import { isPrivate } from '@libp2p/utils'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'

/** Public ones first, then those of each kind in the order given. */
export function oneOfEachKind<T extends string | Multiaddr>(addrs: readonly T[]): T[] {
  const kinds = { public: new Map<string, T[]>(), private: new Map<string, T[]>() }
  for (const addr of addrs) {
    const parsed = multiaddr(addr)
    const family = parsed.getComponents()[0]?.name ?? ''
    const families = isPrivate(parsed) ? kinds.private : kinds.public
    const alike = families.get(family)
    if (alike === undefined) families.set(family, [addr])
    else alike.push(addr)
  }
  const queues = [...kinds.public.values(), ...kinds.private.values()]
  const longest = Math.max(0, ...queues.map(({ length }) => length))
  return Array.from({ length: longest }, (_, at) => queues.flatMap(queue => queue.slice(at, at + 1))).flat()
}
