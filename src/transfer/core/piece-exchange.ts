/**
 * The exchange of pieces, from when the manifest is known: what we fetch, what we give, and what we tell of what we hold.
 * Its sibling before that is the ManifestExchange.
 */
import type { Bitfield } from '../../content/bitfield.ts'
import type { PieceMap } from '../../content/piece-map.ts'
import type { Have } from '../protocol/messages.ts'
import { Downloads } from './downloads.ts'
import type { HaveAnnouncer } from './have-announcer.ts'
import { PieceSet, toRuns } from './piece-set.ts'
import { Serving } from './serving.ts'
import type { Session } from './session.ts'
import type { SwarmContext } from './swarm-context.ts'

export interface PieceExchangeInit {
  readonly pieces: PieceMap
  /** DAG nodes of the manifest. */
  readonly nodeCount: number
  /** Copied. */
  readonly have: Bitfield
  readonly paused: boolean
  readonly haves: HaveAnnouncer
}

export class PieceExchange {
  readonly pieces: PieceMap
  readonly nodeCount: number
  readonly downloads: Downloads
  readonly serving: Serving
  readonly #context: SwarmContext
  readonly #haves: HaveAnnouncer

  constructor(context: SwarmContext, init: PieceExchangeInit) {
    this.#context = context
    this.#haves = init.haves
    this.pieces = init.pieces
    this.nodeCount = init.nodeCount
    this.downloads = new Downloads(context, {
      pieces: init.pieces,
      have: PieceSet.fromBitfield(init.have),
      paused: init.paused
    })
    this.serving = new Serving(context, init.pieces, this.downloads.picker)
  }

  /** What we hold, as a message tells it. */
  get have(): Have {
    const { have } = this.downloads.picker
    if (have.isEmpty && have.length > 0) return { kind: 'none' }
    return have.isFull ? { kind: 'all' } : { kind: 'bitfield', bytes: have.toBitfield().bytes }
  }

  // sessions

  /** The session takes no part until it joins anew: what we asked of it is withdrawn. */
  suspend(session: Session): void {
    this.downloads.requests.cancelAll(session)
    this.downloads.leave(session)
  }

  /** The session is over. */
  gone(session: Session, now: number): void {
    if (session.greeted) this.downloads.leave(session)
    this.serving.gone(session, now)
    this.downloads.requests.pumpAll(now)
  }

  // pieces

  /** A piece matched its hash and was written. */
  verified(piece: number): void {
    if (this.pieces.index(piece) === undefined) return
    const isNew = this.downloads.verified(piece)
    if (isNew && this.#haves.add(piece)) this.announce()
  }

  /** A piece is there no longer, or could not be written. Returns whether we held it. */
  lost(piece: number, now: number): boolean {
    if (this.pieces.index(piece) === undefined) return false
    const wasHeld = this.downloads.picker.have.has(piece)
    this.downloads.lost(piece, now)
    if (!wasHeld) return false
    this.serving.lost(piece)
    if (this.#haves.withdraw(piece)) return true
    for (const session of this.#context.sessions.values()) {
      this.#context.send(session, { type: 'lost', runs: toRuns([piece]) })
    }
    return true
  }

  /** Tells all of what we hold since the last time. */
  announce(): void {
    for (const message of this.#haves.take()) {
      for (const session of this.#context.sessions.values()) this.#context.send(session, message)
    }
  }
}
