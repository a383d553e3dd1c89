/**
 * How much two peers prefer each other among all others: the same number on both sides, and any pair as likely as
 * another. Where each connects to those it prefers, the swarm is a random graph: well mixed, without hubs, and two peers
 * seldom disagree about whether to stay connected. After BEP 40 (canonical peer priority), on peer IDs, as addresses
 * here may be many or none.
 */

/** 0 to 2^32 - 1: FNV-1a over both IDs, the lesser first, then mixed. */
export function affinity(one: string, other: string): number {
  const [a, b] = one < other ? [one, other] : [other, one]
  let hash = 0x811c_9dc5
  for (const text of [a, '/', b]) {
    for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x0100_0193)
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85eb_ca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2_ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}
