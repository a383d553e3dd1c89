/**
 * What we give, once the manifest is known: who may ask (the choker), what is offered, which requests are accepted. A
 * choke does not take back what was accepted.
 *
 * Invariant: `uploads` of a session are the requests that were accepted and have not ended; `uploadBytes` is their sum.
 */
import type { PieceMap } from '../../content/piece-map.ts'
import type { Message, RejectCode } from '../protocol/messages.ts'
import { Choker, type ChokerPeer } from './choker.ts'
import { Offers } from './offers.ts'
import type { Picker } from './picker.ts'
import type { Session } from './session.ts'
import type { SwarmContext } from './swarm-context.ts'

export class Serving {
  readonly #context: SwarmContext
  readonly #pieces: PieceMap
  readonly #picker: Picker
  readonly #choker: Choker
  readonly #offers: Offers
  #decidedAt: number | undefined

  constructor(context: SwarmContext, pieces: PieceMap, picker: Picker) {
    this.#context = context
    this.#pieces = pieces
    this.#picker = picker
    this.#offers = new Offers(pieces)
    this.#choker = new Choker({
      regular: context.config.regularSlots,
      optimistic: context.config.optimisticSlots,
      optimisticTurnMs: context.config.optimisticTurnMs
    })
  }

  /** A request of theirs. Ends the session where it cannot be honest. */
  request(session: Session, { id, offset, length }: Extract<Message, { type: 'request' }>, now: number): void {
    const { config } = this.#context
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
    const code: RejectCode | undefined = !this.#picker.have.hasRange(first, last + 1)
      ? 'notHeld'
      : session.amChoking && !this.#offers.permits(session.id, first, last + 1)
        ? 'choked'
        : session.uploads.size >= config.maxRequests || session.uploadBytes + length > config.maxRequestBytes
          ? 'busy'
          : undefined
    if (code !== undefined) {
      this.#context.send(session, { type: 'reject', id, code })
      return
    }
    session.uploads.set(id, { offset, length })
    session.uploadBytes += length
    this.#context.emit({ type: 'upload', session: session.id, id, offset, length })
    this.#offers.asked(session.id, first, last + 1)
    this.#offer(session)
    session.lastInterestAt = now
  }

  cancel(session: Session, id: number): void {
    const upload = session.uploads.get(id)
    if (upload === undefined) return
    this.#forget(session, id)
    this.#context.emit({ type: 'cancelUpload', session: session.id, id })
  }

  ended(session: Session, id: number, sentBytes: number): void {
    const upload = session.uploads.get(id)
    if (upload === undefined) return
    this.#forget(session, id)
    if (sentBytes < upload.length) return
    const end = upload.offset + upload.length
    let piece: number | undefined = this.#pieces.pieceAt(upload.offset)
    for (; piece !== undefined && this.#pieces.offset(piece + 1) <= end && piece < this.#pieces.count; piece++) {
      this.#offers.sent(piece)
    }
  }

  interestChanged(session: Session, now: number): void {
    if (session.peerInterested) this.fill(now)
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
    this.#offers.gone(session.id)
    session.uploads.clear()
    session.uploadBytes = 0
    this.fill(now)
  }

  /** They have pieces [first, end): no need to send them. */
  gained(session: Session, first: number, end: number): void {
    this.#offers.asked(session.id, first, end)
  }

  /** A piece is held no longer: nobody gets it. */
  lost(piece: number): void {
    const start = this.#pieces.offset(piece)
    const end = this.#pieces.offset(piece + 1)
    for (const session of this.#context.sessions.values()) {
      for (const [id, { offset, length }] of [...session.uploads]) {
        if (offset >= end || offset + length <= start) continue
        this.cancel(session, id)
        this.#context.send(session, { type: 'reject', id, code: 'notHeld' })
      }
    }
  }

  tick(seeding: boolean, now: number): void {
    if (this.#decidedAt !== undefined && now - this.#decidedAt < this.#context.config.chokeIntervalMs) {
      this.fill(now)
      for (const session of this.#context.sessions.values()) this.#offer(session)
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
    this.#offer(session)
  }

  /** Offers go to those who may ask, while we hold everything. */
  #offer(session: Session): void {
    if (session.amChoking || !session.peerInterested || !this.#picker.have.isFull) return
    if (session.have.length !== this.#pieces.count) return
    const { availability } = this.#picker
    const pieces = this.#offers.refill(session.id, session.have, piece => availability.count(piece) > 0)
    if (pieces.length > 0) this.#context.send(session, { type: 'offer', pieces })
  }

  #forget(session: Session, id: number): void {
    const upload = session.uploads.get(id)
    if (upload === undefined) return
    session.uploads.delete(id)
    session.uploadBytes -= upload.length
  }
}
