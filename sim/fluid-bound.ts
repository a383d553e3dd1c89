/**
 * How soon a swarm can have a file at all, were data a fluid that is passed on as it comes (Kumar and Ross, *Peer-assisted
 * file distribution: the minimum distribution time*, 2006): no sooner than the seeder can send it once, than the slowest
 * downlink can take it, and than all uplinks together can send as many copies as are needed.
 */

export interface BoundPeer {
  /** Bytes a millisecond. */
  readonly up: number
  readonly down: number
  /** When it comes, ms after the seeder. */
  readonly joinedMs: number
  /** It uploads, but nobody waits for it (a peer that leaves), or the other way round. Default: both. */
  readonly isWaitedFor?: boolean
}

/**
 * The earliest time, in ms, at which the last of those waited for can have everything.
 *
 * With arrivals: what all who come at or after any time s need was sent after s, by the uplinks that were there, each from
 * when it came; the latest of these bounds over all s holds. Without, this is max(F/u_s, F/d_min, N·F/(u_s + Σu_i)).
 *
 * @param seederUp bytes a millisecond
 */
export function fluidBoundMs(fileBytes: number, seederUp: number, leechers: readonly BoundPeer[]): number {
  let bound = fileBytes / seederUp
  const waited = leechers.filter(({ isWaitedFor }) => isWaitedFor !== false)
  for (const { down, joinedMs } of waited) bound = Math.max(bound, joinedMs + fileBytes / down)
  for (const from of new Set(waited.map(({ joinedMs }) => joinedMs))) {
    const need = waited.filter(({ joinedMs }) => joinedMs >= from).length * fileBytes
    bound = Math.max(bound, whenSent(need, from, seederUp, leechers))
  }
  return bound
}

/** When all uplinks together have sent so many bytes since `from`. */
function whenSent(need: number, from: number, seederUp: number, peers: readonly BoundPeer[]): number {
  const starts = [...new Set([from, ...peers.map(({ joinedMs }) => Math.max(joinedMs, from))])].sort((a, b) => a - b)
  let left = need
  for (const [at, start] of starts.entries()) {
    const rate = peers.reduce((sum, { up, joinedMs }) => (joinedMs <= start ? sum + up : sum), seederUp)
    const end = starts[at + 1] ?? Number.POSITIVE_INFINITY
    if (left <= rate * (end - start)) return start + left / rate
    left -= rate * (end - start)
  }
  return Number.POSITIVE_INFINITY
}
