/**
 * Which roots go when room is needed. Pure: a total order over plain facts, and the choice that follows from it.
 *
 * What many others hold goes first, as it is easily fetched again; among those held about as widely, what was used
 * least recently. What nobody else is known to hold never goes: a fetch that is refused can be tried again, the last copy
 * cannot be brought back.
 */

export interface Candidate {
  readonly cid: string
  /** What is won by deleting it, from 1. */
  readonly bytes: number
  /** Other nodes known to have it. */
  readonly holders: number
  /** Ms since 1970: when it was last served, read or fetched. */
  readonly usedAt: number
}

/** From so many holders on one more makes nothing safer. */
const MANY_HOLDERS = 8

/** 0 none, then 1, 2–3, 4–7, 8 and more: of eight holders and seven, which was used last says more. */
export function abundance(holders: number): number {
  return holders < 1 ? 0 : Math.floor(Math.log2(Math.min(holders, MANY_HOLDERS))) + 1
}

/** Those that may go, what goes first at the front. */
export function evictionOrder(candidates: readonly Candidate[]): Candidate[] {
  return candidates
    .filter(({ holders, bytes }) => abundance(holders) > 0 && bytes > 0)
    .sort(
      (a, b) =>
        abundance(b.holders) - abundance(a.holders) ||
        a.usedAt - b.usedAt ||
        b.bytes - a.bytes ||
        (a.cid < b.cid ? -1 : a.cid > b.cid ? 1 : 0)
    )
}

/**
 * The first of the order that make up `needed` bytes together, without those that the others make up for.
 * @param needed bytes, from 1
 * @returns undefined where all of them are not enough: then none should go
 */
export function chooseEvictions(candidates: readonly Candidate[], needed: number): Candidate[] | undefined {
  const chosen: Candidate[] = []
  let sum = 0
  for (const candidate of evictionOrder(candidates)) {
    if (sum >= needed) break
    chosen.push(candidate)
    sum += candidate.bytes
  }
  if (sum < needed) return undefined
  // What is worth keeping most is looked at first.
  for (const candidate of chosen.toReversed()) {
    if (sum - candidate.bytes < needed) continue
    chosen.splice(chosen.indexOf(candidate), 1)
    sum -= candidate.bytes
  }
  return chosen
}
