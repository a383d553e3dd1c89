/**
 * What a peer says, judged by the rules of docs/protocol.md and given to the part that it concerns. A peer that breaks a
 * rule loses its session.
 */
import { FEATURE_PLACES, type Have, type Message, type Run } from '../protocol/messages.ts'
import type { Membership } from './membership.ts'
import type { NodeMessages } from './node-messages.ts'
import type { PieceExchange } from './piece-exchange.ts'
import type { Session } from './session.ts'
import type { SwarmContext } from './swarm-context.ts'

/** `haveBitfield` messages in one session: each costs the other side a look at every piece. */
export const MAX_HAVE_BITFIELDS = 16

type MessageOf<T extends Message['type']> = Extract<Message, { type: T }>

export interface PeerMessagesInit {
  readonly root: Uint8Array
  readonly context: SwarmContext
  readonly members: Membership
  readonly nodes: NodeMessages
  /** Undefined while the manifest is not known. */
  readonly exchange: () => PieceExchange | undefined
  /** There may be peers to dial that were not known before. */
  readonly onPeersHeard: () => void
}

export class PeerMessages {
  readonly #init: PeerMessagesInit
  readonly #context: SwarmContext
  readonly #members: Membership
  readonly #nodes: NodeMessages

  constructor(init: PeerMessagesInit) {
    this.#init = init
    this.#context = init.context
    this.#members = init.members
    this.#nodes = init.nodes
  }

  take(session: Session, message: Message, now: number): void {
    session.lastHeardAt = now
    if (message.type === 'goodbye') {
      this.#members.forget(session, message.code, now)
      return
    }
    if ((message.type === 'hello') === session.greeted) {
      this.#context.end(session, 'protocol', session.greeted ? 'a second hello' : `${message.type} before hello`)
      return
    }
    const isOwed = message.type === 'nodes' && this.#nodes.takeOwed(session.id, message.blocks.length)
    if (!isOwed && !session.budget.take(message, this.#exchange?.pieces.count ?? 0, now)) {
      this.#context.end(session, 'limit', `too many messages, the last a ${message.type}`)
      return
    }
    switch (message.type) {
      case 'hello':
        this.#hello(session, message, now)
        return
      case 'haveBitfield':
        this.#haveBitfield(session, message.have, now)
        return
      case 'have':
        this.#haveRuns(session, message, now)
        if (message.coming.length > 0) this.#onTheirWay(session, 'coming', message.coming, now)
        return
      case 'lost':
        this.#haveRuns(session, message, now)
        return
      case 'interested':
      case 'notInterested':
        session.peerInterested = message.type === 'interested'
        session.lastInterestAt = now
        this.#exchange?.serving.interestChanged(session, now)
        return
      case 'choke':
        session.peerChoking = true
        this.#exchange?.downloads.choked(session)
        this.#exchange?.downloads.requests.pumpAll(now)
        return
      case 'unchoke':
        session.peerChoking = false
        this.#exchange?.downloads.requests.pump(session, now)
        return
      case 'offer':
      case 'suggest':
        this.#offered(session, message, now)
        return
      case 'decline':
        this.#onTheirWay(session, message.busy ? 'busy' : 'coming', message.pieces, now)
        return
      case 'arriving':
        this.#onTheirWay(session, 'arriving', message.pieces, now)
        return
      case 'want':
        this.#want(session, message, now)
        return
      case 'request':
        if (this.#exchange !== undefined) this.#exchange.serving.request(session, message, now)
        else this.#context.send(session, { type: 'reject', id: message.id, code: 'notHeld' })
        return
      case 'cancel':
        this.#exchange?.serving.cancel(session, message.id)
        return
      case 'reject':
        this.#exchange?.downloads.requests.rejected(session, message.id, message.code, now)
        return
      case 'nodeRequest':
        this.#nodes.requested(session, message.first, message.count, this.#exchange?.nodeCount)
        return
      case 'nodes':
        if (this.#exchange === undefined) this.#nodes.answered(session, message, now)
        return
      case 'pex':
        this.#members.heard(session, message, now)
        this.#init.onPeersHeard()
        return
    }
  }

  #hello(session: Session, hello: MessageOf<'hello'>, now: number): void {
    if (!equal(hello.root, this.#init.root)) {
      this.#context.end(session, 'protocol', 'a hello for another root')
      return
    }
    if (!hello.manifest && hello.have.kind !== 'none') {
      this.#context.end(session, 'protocol', 'pieces without a manifest')
      return
    }
    session.hasManifest = hello.manifest
    session.maxRequests = hello.maxRequests
    session.maxRequestBytes = hello.maxRequestBytes
    session.places = (hello.features & FEATURE_PLACES) !== 0
    if (!session.setHave(hello.have, this.#exchange?.pieces.count)) {
      this.#context.end(session, 'protocol', 'a bitfield that does not fit the root')
      return
    }
    this.#members.greeted(session, now)
    this.#exchange?.join(session, now)
    this.#exchange?.downloads.requests.pump(session, now)
    this.#members.exchange(session, now)
    if (this.#exchange === undefined) this.#nodes.ask(now)
  }

  #haveBitfield(session: Session, have: Have, now: number): void {
    session.haveBitfields += 1
    if (session.haveBitfields > MAX_HAVE_BITFIELDS) {
      this.#context.end(session, 'limit', 'its haves were told anew too often')
      return
    }
    this.#exchange?.suspend(session)
    session.hasManifest = true
    if (!session.setHave(have, this.#exchange?.pieces.count)) {
      this.#context.end(session, 'protocol', 'a bitfield that does not fit the root')
      return
    }
    this.#exchange?.join(session, now)
    this.#exchange?.downloads.requests.pumpAll(now)
    if (this.#exchange === undefined) this.#nodes.ask(now)
  }

  #haveRuns(session: Session, { type, runs }: MessageOf<'have' | 'lost'>, now: number): void {
    if (!session.hasManifest) {
      this.#context.end(session, 'protocol', 'pieces without a manifest')
      return
    }
    const count = this.#exchange?.pieces.count
    const total = runs.reduce((sum, run) => sum + run.count, 0)
    if (count !== undefined && (total > count || runs.some(run => run.first + run.count > count))) {
      this.#context.end(session, 'protocol', 'pieces that the root does not have')
      return
    }
    for (const { first, count: length } of runs) {
      const end = first + length
      if (this.#exchange === undefined) {
        if (type === 'have') session.pendingHave.add(first, length)
        else session.pendingHave.remove(first, length)
      } else if (type === 'have') {
        this.#exchange.gained(session, first, end, now)
      } else this.#exchange.withdrawn(session, first, end)
    }
    if (type === 'have') this.#exchange?.downloads.requests.pump(session, now)
    else this.#exchange?.serving.placer.fill(now)
  }

  #offered(session: Session, { type, pieces }: MessageOf<'offer' | 'suggest'>, now: number): void {
    if (this.#exchange === undefined) return
    const { pieces: map, downloads } = this.#exchange
    if (pieces.some(piece => piece >= map.count)) {
      this.#context.end(session, 'protocol', 'pieces that the root does not have')
      return
    }
    if (type === 'offer') downloads.offered(session, pieces, now)
    else downloads.suggested(session, pieces)
    downloads.requests.pump(session, now)
  }

  #onTheirWay(session: Session, what: 'coming' | 'busy' | 'arriving', pieces: readonly number[], now: number): void {
    if (this.#exchange === undefined) return
    const { pieces: map, serving } = this.#exchange
    if (pieces.some(piece => piece >= map.count)) {
      this.#context.end(session, 'protocol', 'pieces that the root does not have')
      return
    }
    if (what === 'arriving') serving.placer.arriving(session, pieces, now)
    else if (what === 'busy') serving.placer.declined(session, pieces, now)
    else serving.placer.promised(session, pieces, now)
  }

  #want(session: Session, { urgent, ahead, only }: MessageOf<'want'>, now: number): void {
    if (this.#exchange === undefined) return
    const { pieces: map, serving } = this.#exchange
    const fits = (runs: readonly Run[]) =>
      runs.every(run => run.first + run.count <= map.count) &&
      runs.reduce((sum, run) => sum + run.count, 0) <= map.count
    if (!fits(urgent) || !fits(ahead)) {
      this.#context.end(session, 'protocol', 'pieces that the root does not have')
      return
    }
    serving.placer.wanted(session, { urgent, ahead, only })
    serving.placer.fill(now)
  }

  get #exchange(): PieceExchange | undefined {
    return this.#init.exchange()
  }
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.byteLength === b.byteLength && a.every((byte, at) => byte === b[at])
}
