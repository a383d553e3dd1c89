/**
 * What we give, once the manifest is known: who may ask unasked (the choker), which requests are accepted, and what we
 * offer (the Placer). A choke does not take back what was accepted.
 *
 * Invariant: `uploads` of a session are the requests that were accepted and have not ended; `uploadBytes` is their sum.
 */
import type { PieceMap } from '../../content/piece-map.ts'
import type { Message, RejectCode } from '../protocol/messages.ts'
import { Choker, type ChokerPeer } from './choker.ts'
import type { Picker } from './picker.ts'
import { Placer } from './placer.ts'
import type { InRequest, Session } from './session.ts'
import type { SwarmContext } from './swarm-context.ts'

export class Serving {
  readonly placer: Placer
  readonly #context: SwarmContext
  readonly #pieces: PieceMap
  readonly #picker: Picker
  readonly #choker: Choker
  #decidedAt: number | undefined

  constructor(context: SwarmContext, pieces: PieceMap, picker: Picker) {
    this.#context = context
    this.#pieces = pieces
    this.#picker = picker
    this.placer = new Placer(context, pieces, picker)
    this.#choker = new Choker({
      regular: context.config.regularSlots,
      optimistic: context.config.optimisticSlots,
      optimisticTurnMs: context.config.optimisticTurnMs
    })
  }

  /** A request of theirs. Ends the session where it cannot be honest. */
  request(session: Session, { id, offset, length }: Extract<Message, { type: 'request' }>, now: number): void {
    if (session.uploads.has(id)) {
      this.#context.end(session, 'protocol', `request ${id} was made twice`)
      return
    }
    const first = this.#pieces.pieceAt(offset)
    const last = this.#pieces.pieceAt(offset + length - 1)
    if (first === undefined || last === undefined) {
      this.#context.end(session, 'protocol', 'a request outside the pieces')
      return
    }
    const code = this.#refusal(session, first, last + 1, { offset, length })
    if (code !== undefined) {
      this.#context.send(session, { type: 'reject', id, code })
      return
    }
    session.uploads.set(id, { offset, length })
    session.uploadBytes += length
    session.lastInterestAt = now
    if (this.placer.asked(session, first, { id, offset, length }, now)) return
    this.#context.emit({ type: 'upload', session: session.id, id, offset, length })
  }

  cancel(session: Session, id: number): void {
    const upload = session.uploads.get(id)
    if (upload === undefined) return
    this.#forget(session, id)
    if (this.placer.cancelled(session, this.#pieces.pieceAt(upload.offset) ?? 0, id)) return
    this.#context.emit({ type: 'cancelUpload', session: session.id, id })
  }

  ended(session: Session, id: number, sentBytes: number, now: number): void {
    const upload = session.uploads.get(id)
    if (upload === undefined) return
    this.#forget(session, id)
    this.placer.sent(session, this.#pieces.pieceAt(upload.offset) ?? 0, sentBytes >= upload.length, now)
  }

  interestChanged(session: Session, now: number): void {
    if (!session.peerInterested) return
    this.fill(now)
    this.placer.fill(now)
  }

  /** Unchokes whom there is room for. */
  fill(now: number): void {
    for (const id of this.#choker.fill(this.#peers(now))) {
      const session = this.#context.sessions.get(id)
      if (session !== undefined) this.#unchoke(session, now)
    }
  }

  gone(session: Session, now: number): void {
    this.#choker.gone(session.id)
    this.placer.leave(session)
    session.uploads.clear()
    session.uploadBytes = 0
    this.fill(now)
    this.placer.fill(now)
  }

  /** A piece is held no longer: nobody gets it. */
  lost(piece: number): void {
    this.placer.lost(piece)
    const start = this.#pieces.offset(piece)
    const end = this.#pieces.offset(piece + 1)
    for (const session of this.#context.sessions.values()) {
      for (const [id, { offset, length }] of [...session.uploads]) {
        // with the first of a batch that waits for its turn the others were rejected
        if (offset >= end || offset + length <= start || !session.uploads.has(id)) continue
        this.cancel(session, id)
        this.#context.send(session, { type: 'reject', id, code: 'notHeld' })
      }
      // a batch starts when all of it is held: what nobody asked for of it must not hold up the rest
      this.placer.broken(session, piece)
    }
  }

  tick(seeding: boolean, now: number): void {
    this.placer.tick(now)
    if (this.#decidedAt !== undefined && now - this.#decidedAt < this.#context.config.chokeIntervalMs) {
      this.fill(now)
      return
    }
    this.#decidedAt = now
    const unchoked = this.#choker.decide(this.#peers(now), seeding, now)
    for (const session of this.#context.sessions.values()) {
      if (!session.greeted) continue
      if (unchoked.has(session.id)) this.#unchoke(session, now)
      else if (!session.amChoking) {
        session.amChoking = true
        session.chokedAt = now
        this.#context.send(session, { type: 'choke' })
      }
    }
  }

  #refusal(session: Session, first: number, end: number, range: InRequest): RejectCode | undefined {
    const { maxRequests, maxRequestBytes } = this.#context.config
    if (!this.#picker.have.hasRange(first, end) && !this.placer.expects(session, first, end)) return 'notHeld'
    if (session.amChoking && !this.placer.permits(session, range)) return 'choked'
    if (session.uploads.size >= maxRequests || session.uploadBytes + range.length > maxRequestBytes) return 'busy'
    for (const other of session.uploads.values()) if (overlap(range, other)) return 'other'
    return undefined
  }

  #peers(now: number): ChokerPeer[] {
    const peers: ChokerPeer[] = []
    for (const session of this.#context.sessions.values()) {
      if (!session.greeted) continue
      peers.push({
        session: session.id,
        interested: session.peerInterested,
        unchoked: !session.amChoking,
        snubbed: session.snubbed,
        downRate: session.down.rate(now),
        turnBytes: session.turnBytes,
        unchokedAt: session.unchokedAt,
        chokedAt: session.chokedAt
      })
    }
    return peers
  }

  #unchoke(session: Session, now: number): void {
    if (!session.amChoking) return
    session.amChoking = false
    session.unchokedAt = now
    session.turnBytes = 0
    this.#context.send(session, { type: 'unchoke' })
  }

  #forget(session: Session, id: number): void {
    const upload = session.uploads.get(id)
    if (upload === undefined) return
    session.uploads.delete(id)
    session.uploadBytes -= upload.length
  }
}

function overlap(a: InRequest, b: InRequest): boolean {
  return a.offset < b.offset + b.length && b.offset < a.offset + a.length
}
