/** Who is served first among those who may be: at random, but of the first few the neediest. */
import type { Random } from '../../base/random.ts'
import type { Session } from './session.ts'

/** Of so many at random the neediest goes first. All of them: everybody helps the same one, and its downlink is full. */
const CHOICES = 4

/** In place. @param supplied what each has; undefined: chance alone */
export function orderTakers(
  takers: Session[],
  random: Random,
  supplied: ((session: Session) => number) | undefined
): void {
  for (let at = 0; at < takers.length - 1; at++) swap(takers, at, at + random.below(takers.length - at))
  if (supplied === undefined) return
  const first = takers
    .slice(0, CHOICES)
    .map(session => ({ session, supplied: supplied(session) }))
    .sort((a, b) => a.supplied - b.supplied)
  for (const [at, { session }] of first.entries()) takers[at] = session
}

function swap(list: Session[], one: number, other: number): void {
  const [a, b] = [list[one], list[other]]
  if (a === undefined || b === undefined) return
  list[one] = b
  list[other] = a
}
