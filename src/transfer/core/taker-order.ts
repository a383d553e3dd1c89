/** Who is served first among those who may be: at random, but of the first few who has least to pass on. */
import type { Random } from '../../base/random.ts'
import type { Session } from './session.ts'

/** Of so many at random the neediest goes first. All of them: everybody helps the same one, and its downlink is full. */
const CHOICES = 8

/** In place. @param toPassOn how much each has to pass on; undefined: chance alone */
export function orderTakers(
  takers: Session[],
  random: Random,
  toPassOn: ((session: Session) => number) | undefined
): void {
  for (let at = 0; at < takers.length - 1; at++) swap(takers, at, at + random.below(takers.length - at))
  if (toPassOn === undefined) return
  const first = takers
    .slice(0, CHOICES)
    .map(session => ({ session, copies: toPassOn(session) }))
    .sort((a, b) => a.copies - b.copies)
  for (const [at, { session }] of first.entries()) takers[at] = session
}

function swap(list: Session[], one: number, other: number): void {
  const [a, b] = [list[one], list[other]]
  if (a === undefined || b === undefined) return
  list[one] = b
  list[other] = a
}
