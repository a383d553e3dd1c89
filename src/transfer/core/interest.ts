/**
 * Whether we want something of a session: it holds pieces that we miss, and we are fetching.
 *
 * Invariant: `lacked` of a session that joined is the number of missing pieces that it holds, and `amInterested` is what
 * it was told last. That we want nothing more is told at the next tick: readers that come and go, or wait for one piece
 * after the other, want nothing in between, and to say so each time would cost more than it is worth.
 */
import type { Picker } from './picker.ts'
import type { Session } from './session.ts'
import type { SwarmContext } from './swarm-context.ts'

export class Interest {
  /** Nothing is fetched. Who changes it updates the sessions. */
  paused: boolean
  readonly #context: SwarmContext
  readonly #picker: Picker

  constructor(context: SwarmContext, picker: Picker, paused: boolean) {
    this.#context = context
    this.#picker = picker
    this.paused = paused
  }

  /** What the session holds, or what is missing, changed as a whole. */
  recount(session: Session): void {
    session.lacked = session.greeted ? this.#picker.missing.countCommon(session.have) : 0
    this.update(session)
  }

  /** Says what was left to say. */
  settle(): void {
    for (const session of this.#context.sessions.values()) this.#tell(session)
  }

  /** They have pieces [first, end) now. Returns those that they did not have. */
  gained(session: Session, first: number, end: number): number[] {
    const fresh: number[] = []
    for (let piece = first; piece < end; piece++) {
      if (!session.have.add(piece)) continue
      fresh.push(piece)
      this.#picker.availability.increment(piece)
      if (this.#picker.missing.has(piece)) session.lacked += 1
    }
    this.update(session)
    return fresh
  }

  /** They no longer have pieces [first, end). Returns those that they had. */
  withdrawn(session: Session, first: number, end: number): number[] {
    const gone: number[] = []
    if (session.countsAsSeeder) {
      session.countsAsSeeder = false
      for (const piece of session.have.ones()) this.#picker.availability.increment(piece)
    }
    for (let piece = first; piece < end; piece++) {
      if (!session.have.delete(piece)) continue
      gone.push(piece)
      this.#picker.availability.decrement(piece)
      if (this.#picker.missing.has(piece)) session.lacked -= 1
    }
    this.update(session)
    return gone
  }

  /** The piece is missing no more (-1), or again (1). */
  missingChanged(piece: number, by: 1 | -1): void {
    for (const session of this.#context.sessions.values()) {
      if (session.have.has(piece)) session.lacked += by
      this.update(session)
    }
  }

  /** Tells the session that we want something of it, where that is new. */
  update(session: Session): void {
    if (!session.amInterested) this.#tell(session)
  }

  #tell(session: Session): void {
    const wants = session.places ? !this.#picker.missing.isEmpty : session.lacked > 0
    const interested = wants && !this.paused
    if (interested === session.amInterested || !session.greeted) return
    session.amInterested = interested
    this.#context.send(session, { type: interested ? 'interested' : 'notInterested' })
  }
}
