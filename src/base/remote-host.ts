/** Whose doing something is, as far as its address tells: what bounds one host counts by this. */

const GROUPS = 8
const BITS_OF_GROUP = 16
/** What a machine on the internet is given, a /64: all addresses of it count as one host. */
const HOST_GROUPS = 4
/** What a site is given (RFC 6177), a /48: 65,536 hosts of one hand, so what bounds a host alone would not bound it. */
const SITE_GROUPS = 3
/** What a site may do, in hosts: a house of others may be behind one, too. */
export const SITE_FACTOR = 4
/** One link, and each address on it another machine; and IPv4 as a translator (RFC 6052) writes it. */
const WHOLE = /^(fe[89ab]|64:ff9b:)/i

/**
 * `/ip4/192.0.2.7` of `/ip4/192.0.2.7/tcp/4160`; of an IPv6 address its first 64 bits, `/ip6/2001:db8:0:0::/64`.
 * @param addr a multiaddr; of anything else its first two parts
 */
export function hostOf(addr: string): string {
  return networkOf(addr, HOST_GROUPS)
}

/** Where an address is: its host and, as `/ip6/2001:db8:0::/48`, its site. Of IPv4 the site is the host: it tells no more. */
export interface Origin {
  readonly host: string
  readonly site: string
}

export function originOf(addr: string): Origin {
  return { host: hostOf(addr), site: networkOf(addr, SITE_GROUPS) }
}

/**
 * To turn out first whoever has most: greater for an origin whose site has more of them, and among those of one site for
 * one whose host has.
 */
export function crowding(origins: Iterable<Origin>): (origin: Origin) => number {
  const hosts = new Map<string, number>()
  const sites = new Map<string, number>()
  let count = 0
  for (const { host, site } of origins) {
    count++
    hosts.set(host, (hosts.get(host) ?? 0) + 1)
    sites.set(site, (sites.get(site) ?? 0) + 1)
  }
  return ({ host, site }) => (sites.get(site) ?? 0) * (count + 1) + (hosts.get(host) ?? 0)
}

function networkOf(addr: string, groups: number): string {
  const parts = addr.split('/', 5)
  // the interface comes first where an address is of one link alone
  const [protocol = '', value = ''] = parts[1] === 'ip6zone' ? parts.slice(3) : parts.slice(1)
  return `/${protocol}/${protocol === 'ip6' ? prefixOf(value, groups) : value}`
}

function prefixOf(ip: string, prefixGroups: number): string {
  if (WHOLE.test(ip)) return ip.toLowerCase()
  const [head = '', tail] = ip.toLowerCase().split('::')
  const front = head === '' ? [] : head.split(':')
  const back = tail === undefined || tail === '' ? [] : tail.split(':')
  // an IPv4 address at the end stands for two
  const backGroups = back.length + (back.at(-1)?.includes('.') === true ? 1 : 0)
  const zeros = tail === undefined ? 0 : Math.max(0, GROUPS - front.length - backGroups)
  const all = [...front, ...Array.from({ length: zeros }, () => '0'), ...back]
  // written as IPv4 within IPv6, and loopback: the host is in the last part
  if (all.slice(0, HOST_GROUPS).every(isZero)) return ip.toLowerCase()
  const prefix = all.slice(0, prefixGroups).map(group => group.replace(/^0+(?=.)/, ''))
  return `${prefix.join(':')}::/${prefixGroups * BITS_OF_GROUP}`
}

function isZero(group: string): boolean {
  return /^0+$/.test(group)
}
