/** Who is served first among those who may be: at random, but of the first few who has least to pass on, or got least. */
import type { Random } from '../../base/random.ts'
import { SECOND_MS } from '../../base/units.ts'
import type { Session } from './session.ts'

/** Of so many at random the neediest goes first. All of them: everybody helps the same one, and its downlink is full. */
const CHOICES = 8

/** What counts under a limit: so long after it came a byte is forgotten, or a newcomer would have all until it caught up. */
const LATELY_MS = 5 * SECOND_MS

/** Bytes that we sent it in the last seconds, with those that it is to get next. */
export function gotLately({ up }: Pick<Session, 'up'>, placedBytes: number, now: number): number {
  return (up.rate(now) * LATELY_MS) / SECOND_MS + placedBytes
}

/** In place. @param least what each has of that of which who has least goes first; undefined: chance alone */
export function orderTakers(
  takers: Session[],
  random: Random,
  least: ((session: Session) => number) | undefined
): void {
  for (let at = 0; at < takers.length - 1; at++) swap(takers, at, at + random.below(takers.length - at))
  if (least === undefined || takers.length < 2) return
  const first = takers
    .slice(0, CHOICES)
    .map(session => ({ session, least: least(session) }))
    .sort((a, b) => a.least - b.least)
  for (const [at, { session }] of first.entries()) takers[at] = session
}

function swap(list: Session[], one: number, other: number): void {
  const [a, b] = [list[one], list[other]]
  if (a === undefined || b === undefined) return
  list[one] = b
  list[other] = a
}
