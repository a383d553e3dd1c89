/**
 * Tells those who place what the local readers want. Each `want` makes a peer choose anew, so it costs much of what we
 * may say: one that says nothing new is not sent, one that only takes back waits for the next tick, and all of a
 * second cost less than peers stand. Readers that come and go by the hundred, as those of a web server do, stay within
 * it, and so do hundreds that read far ahead.
 *
 * What comes is not told, unless all that was pressed for is here and another reader waits: the reader says itself what
 * it waits for next. One whose buffer is full waits for nothing, and would otherwise press for the next piece all the
 * time, as all others that play the same: they would be sent what everybody waits for, and nothing new would come.
 *
 * Invariant: unless `#isStale`, what was told last is what was wanted when the readers last said so, as far as the picker
 * names it, and some of it is missing where anything is.
 */
import { TokenBucket } from '../../base/token-bucket.ts'
import type { Message, Run } from '../protocol/messages.ts'
import { MESSAGE_UNITS_PER_SEC, unitsOf } from './message-budget.ts'
import type { Picker } from './picker.ts'
import { toRuns } from './piece-set.ts'
import type { Session } from './session.ts'
import type { SwarmContext } from './swarm-context.ts'

type Want = Extract<Message, { type: 'want' }>

/**
 * What may be said in a second, and at once after a pause, in the units that peers count in: two fifths of what they
 * stand. That is 38 times what one reader wants of pieces of 1 MiB, 12 times what three hundred want. A reader of 400 MB/s
 * wants something new 400 times.
 */
export const WANT_UNITS_PER_SEC = (2 * MESSAGE_UNITS_PER_SEC) / 5

const LEAST_UNITS = unitsOf({ type: 'want', urgent: [], ahead: [], only: true }, 0)

export class WantTeller {
  readonly #context: SwarmContext
  readonly #picker: Picker
  #bucket: TokenBucket | undefined
  #told: Want | undefined
  /** What it named, in order. */
  #toldRuns: readonly Run[] = []
  /** Where in `#toldRuns` what is still missing begins. */
  #toldAt = { run: 0, passed: 0 }
  #onlyThese = false
  #isStale = false

  constructor(context: SwarmContext, picker: Picker) {
    this.#context = context
    this.#picker = picker
  }

  /** The session takes part now. */
  join(session: Session): void {
    if (this.#told !== undefined && session.places) this.#context.send(session, this.#told)
  }

  /** The readers want something else. */
  changed(onlyThese: boolean, now: number): void {
    this.#onlyThese = onlyThese
    this.#isStale = true
    const want = this.#current()
    if (this.#isMore(want)) this.#tell(want, now)
  }

  /**
   * A piece came, or went: what was told may name nothing that is still to come though there is more, nothing to press for
   * though another reader waits, or not this one.
   */
  pieceChanged(piece: number, isLost: boolean): void {
    if (this.#told === undefined) return
    const { urgent } = this.#told
    const isLast = isWithin(piece, this.#toldRuns) && !this.#isAnyToldMissing()
    const isLastUrgent = isWithin(piece, urgent) && !this.#isAnyMissing(urgent)
    if (isLost || (isLast && this.#picker.wants.urgent.length > 0) || (isLastUrgent && this.#picker.isWaitedFor))
      this.#isStale = true
  }

  #isAnyMissing(runs: readonly Run[]): boolean {
    for (const { first, count } of runs) {
      for (let piece = first; piece < first + count; piece++) if (this.#picker.missing.has(piece)) return true
    }
    return false
  }

  /** Says what was left to say, if it may. */
  settle(now: number): void {
    // without a look at what is wanted while not even the least could be said
    if (this.#isStale && this.#bucket?.allows(now, LEAST_UNITS) !== false) this.#tell(this.#current(), now)
  }

  /** What came since is behind `#toldAt`: each piece is looked at once. */
  #isAnyToldMissing(): boolean {
    for (; ; this.#toldAt = { run: this.#toldAt.run + 1, passed: 0 }) {
      const run = this.#toldRuns[this.#toldAt.run]
      if (run === undefined) return false
      for (; this.#toldAt.passed < run.count; this.#toldAt.passed++) {
        if (this.#picker.missing.has(run.first + this.#toldAt.passed)) return true
      }
    }
  }

  #current(): Want {
    const { urgent, ahead } = this.#picker.wants
    return { type: 'want', urgent: runsOf(urgent), ahead: runsOf(ahead), only: this.#onlyThese }
  }

  /** Whether anything is wanted that the peers do not know of. */
  #isMore({ urgent, ahead, only }: Want): boolean {
    if (this.#told?.only === true && !only) return true
    return !isCovered(urgent, this.#told?.urgent ?? []) || !isCovered(ahead, this.#toldRuns)
  }

  #tell(want: Want, now: number): void {
    if (!this.#context.follows('wants')) return
    const saysNothing = this.#told === undefined && !want.only && want.urgent.length === 0
    if (saysNothing || isSame(want, this.#told)) {
      this.#isStale = false
      return
    }
    this.#bucket ??= new TokenBucket(now, WANT_UNITS_PER_SEC, WANT_UNITS_PER_SEC)
    if (!this.#bucket.take(now, unitsOf(want, this.#picker.missing.length))) return
    this.#isStale = false
    this.#told = want
    this.#toldAt = { run: 0, passed: 0 }
    this.#toldRuns = [...want.urgent, ...want.ahead].sort((a, b) => a.first - b.first)
    for (const session of this.#context.sessions.values()) {
      if (session.places && session.greeted) this.#context.send(session, want)
    }
  }
}

const runsOf = (pieces: readonly number[]): Run[] => toRuns([...pieces].sort((a, b) => a - b))

const isWithin = (piece: number, runs: readonly Run[]) =>
  runs.some(({ first, count }) => piece >= first && piece < first + count)

/** Whether every piece of `runs` is in `known`, both in order. */
function isCovered(runs: readonly Run[], known: readonly Run[]): boolean {
  let at = 0
  for (const { first, count } of runs) {
    let next = first
    while (next < first + count) {
      const run = known[at]
      if (run === undefined || run.first > next) return false
      if (run.first + run.count > next) next = run.first + run.count
      if (next < first + count) at += 1
    }
  }
  return true
}

function isSame(a: Want, b: Want | undefined): boolean {
  return b !== undefined && a.only === b.only && areSame(a.urgent, b.urgent) && areSame(a.ahead, b.ahead)
}

function areSame(a: readonly Run[], b: readonly Run[]): boolean {
  return a.length === b.length && a.every(({ first, count }, at) => first === b[at]?.first && count === b[at].count)
}
