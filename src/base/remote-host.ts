/** Whose doing something is, as far as its address tells: what bounds one host counts by this. */

const GROUPS = 8
/** What a machine on the internet is given: all addresses of it count as one host. */
const PREFIX_GROUPS = 4
/** One link, and each address on it another machine; and IPv4 as a translator (RFC 6052) writes it. */
const WHOLE = /^(fe[89ab]|64:ff9b:)/i

/**
 * `/ip4/192.0.2.7` of `/ip4/192.0.2.7/tcp/4160`; of an IPv6 address its first 64 bits, `/ip6/2001:db8:0:0::/64`.
 * @param addr a multiaddr; of anything else its first two parts
 */
export function hostOf(addr: string): string {
  const parts = addr.split('/', 5)
  // the interface comes first where an address is of one link alone
  const [protocol = '', value = ''] = parts[1] === 'ip6zone' ? parts.slice(3) : parts.slice(1)
  return `/${protocol}/${protocol === 'ip6' ? networkOf(value) : value}`
}

function networkOf(ip: string): string {
  if (WHOLE.test(ip)) return ip.toLowerCase()
  const [head = '', tail] = ip.toLowerCase().split('::')
  const front = head === '' ? [] : head.split(':')
  const back = tail === undefined || tail === '' ? [] : tail.split(':')
  // an IPv4 address at the end stands for two
  const backGroups = back.length + (back.at(-1)?.includes('.') === true ? 1 : 0)
  const zeros = tail === undefined ? 0 : Math.max(0, GROUPS - front.length - backGroups)
  const groups = [...front, ...Array.from({ length: zeros }, () => '0'), ...back]
  // written as IPv4 within IPv6, and loopback: the host is in the last part
  if (groups.slice(0, PREFIX_GROUPS).every(isZero)) return ip.toLowerCase()
  return `${groups
    .slice(0, PREFIX_GROUPS)
    .map(group => group.replace(/^0+(?=.)/, ''))
    .join(':')}::/64`
}

function isZero(group: string): boolean {
  return /^0+$/.test(group)
}
